"""The GPIO header: one chip and one thread for the edges of all lines.

`context` is the header's GPIO, shared by the drivers of a process. `header_chip` finds the chip, `pinfactory`
makes gpiozero's pins on it, `edge_watcher` waits for edges in a thread, `event_clock` converts edge time
stamps, `line_settings` translates settings of lines, and `counters` has the calculations on edges.
"""
