"""Service that falls due: by running hours, by the calendar, or by whichever comes first.

- `due`: whether a service is due, from records of completed service, without documents and clocks
- `records`: the documents with records of completed service
- `overview`: the state of every service of a vessel, from the document store and the recorder
"""
