"""The GPIO header: one chip and one thread for the edges of all lines.

`context` holds the header's GPIO, which the drivers in a process share. `header_chip` finds the chip,
`pinfactory` makes gpiozero's pins on it, `edge_watcher` waits for edges in a thread, `event_clock` converts
edge time stamps, `line_settings` translates line settings, and `counters` calculates counts and rates from
edges.
"""
