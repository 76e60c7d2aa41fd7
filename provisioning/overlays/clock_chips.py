"""The clock chips for which a vessel can be configured."""

from typing import Final

CLOCK_CHIPS: Final = ("ds1307", "ds3231", "pcf8523", "pcf8563", "pcf85063a", "rv3028", "rv8803")
"""Clock chips, named as in the parameters of the i2c-rtc overlay (`/boot/firmware/overlays/README`).

They are the values of the key `rtc` in the section [clock]. `kernel_settings` makes the overlay's line.
"""
