"""Sets the clock from a satellite receiver (GNSS) that sends NMEA sentences, without a network.

`serial_device` reads the receiver. `nmea` parses its sentences, and `receiver_input` counts what was received
recently. `time_judge` decides whether the reported time is trusted, and `discipline` decides how the clock
is corrected. `station` combines these modules, and reports the faults that `faults` defines. `daemon` is the
process `logboat gnss`.
"""
