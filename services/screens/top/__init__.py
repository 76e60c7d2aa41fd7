"""`logboat top`: the whole state at a glance, updated continuously.

It reads what `status`, `sensors`, `alarms`, `peers` and `lights` read, with their code, and shows it in their
words. The live states are read at each look. Files are read only when they have changed, on a separate
thread, so that a store that is slow, locked or broken delays nothing. No connection to the store is kept, so
that it does not prevent a repair.

- `recent`: a sensor's values of the last minutes, as a line of bars (pure)
- `stored_facts`: alarms, past values, configuration: facts read from files, and when they are read again
- `background`: one piece of work at a time, on a thread
- `facts`: all facts of one moment
- `page`: parts of the screen as lines (pure), and the space that each gets
- `widgets`, `dialogs`, `app`: the full screen, with Textual
- `fact_sentences`: the facts as sentences, and which of them are new (pure)
- `plain`: sentences, line by line, at the speed of a serial line
"""
