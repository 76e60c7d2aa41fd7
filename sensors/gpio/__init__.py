"""The GPIO header: one chip and one thread for the edges of all lines.

`context` is the header as the drivers of a process share it. `header_chip` finds the chip, `pinfactory`
makes gpiozero's pins on it, `edge_watcher` waits for edges in a thread, `event_clock` converts the times
of edges, `line_settings` translates settings of lines, and `counters` has the calculations on edges.
"""
