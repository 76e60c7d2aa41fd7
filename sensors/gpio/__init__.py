"""The GPIO header: one GPIO chip, and one thread that handles the edges on all lines.

`context` provides the header's GPIO, which the drivers in a process share. `header_chip` finds the chip, and
`pinfactory` makes gpiozero's pins on it. `edge_watcher` waits for edges in a thread, and `event_clock`
converts their time stamps. `line_settings` translates line settings, and `counters` calculates counts and
rates from edges. `contact_device`, `contact_line` and `pulse_line` are the inputs for contacts and pulses,
whose keys `pin_keys` declares. `shared_lines` lets several drivers use one line.
"""
