"""Sets the clock from a satellite receiver (GNSS) that sends NMEA sentences, without a network.

`serial_device` reads the receiver. `nmea` parses its sentences, and `receiver_input` knows what was received
recently. `time_judge` decides whether the reported time is believed, and `discipline` how the clock is
corrected. `station` combines them, and reports the `faults`. `daemon` is the process `logboat gnss`.
"""
