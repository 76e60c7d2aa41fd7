"""Service that falls due: by running hours, by the calendar, or by whichever comes first.

- `due`: whether a service is due, from service records, without documents and clocks
- `records`: the documents with service records
- `overview`: the state of every service of a vessel, from the document store and the recorder
"""
