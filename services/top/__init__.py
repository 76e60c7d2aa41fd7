"""`logboat top`: everything at one look, again and again.

It reads what `status`, `sensors`, `alarms`, `peers` and `lights` read, by their own code, and says it in
their words. The live states are read at each look; what is on file only when it has changed, by a thread of
its own, so that a store that is slow, locked or broken holds nothing up. No connection to the store is kept:
whoever repairs it finds nobody in the way.

- `recent`: a sensor's values of the last minutes, as a line of bars (pure)
- `onfile`: alarms, past values, configuration: what is read of files, and when it is read again
- `background`: one piece of work at a time, in a thread
- `looking`: all facts of one moment
- `page`: parts of the screen as lines (pure), and how much room each gets
- `parts`, `dialogs`, `app`: the full screen, with Textual
- `sentences`: the facts as sentences, and which of them are news (pure)
- `plain`: sentences, line by line, as fast as a serial line carries
"""
