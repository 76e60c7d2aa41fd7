"""Clocks: what the machine's clock is worth, and which moments of boots agree.

`clock_quality` has the time floor and the time anchors of a boot. `clock_floor` keeps the sync daemon's
floor in the document store. `boot_order` finds boots whose clocks contradict each other.
"""
