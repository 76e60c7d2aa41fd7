"""Timekeeping: the accuracy of the system clock, and the detection of boots with contradictory clocks.

`time_source` lists the sources from which a clock can get its time. `kernel_clock` reads and corrects the
kernel's clock. `clock_quality` defines the time floor and the time anchors of a boot. `clock_floor` stores
the sync daemon's floor in the document store. `boot_order` finds boots whose clocks contradict each other.
"""
