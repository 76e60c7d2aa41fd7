"""`logboat top`: a continuously updated overview of the vessel's state.

The view uses the sources and the code of `status`, `sensors`, `alarms`, `peers` and `lights`, and shows the
facts in the same words. The live states are read for each update. Files are read only when they have changed,
and on a separate thread, so that a slow, locked or damaged store does not delay an update. No connection to
the store is kept open, because that would prevent a repair.

- `recent`: a sensor's values from the last few minutes, as a line of bars
- `stored_facts`: facts that are read from files: alarms, past values, configuration
- `background`: runs slow work on a thread, one call at a time
- `facts`: all facts for one update
- `page`: the parts of the screen as lines, and the space that each part gets
- `widgets`, `dialogs`, `app`: the full-screen view, which uses Textual
- `fact_sentences`: expresses the facts as sentences, and selects new facts
- `plain`: prints sentences line by line, at the speed of a serial line
"""
