"""Fault messages of sensors on a bus, with remedies, for the documentation pages about the sensor kinds.

Each row contains the beginning of a message, in which `…` stands for a name or a number, and the remedy. A
test compares these messages with those in the source code.
"""

from typing import Final

FaultTable = tuple[tuple[str, str], ...]
"""Messages with their remedies."""

ONE_WIRE_FAULTS: Final[FaultTable] = (
    (
        "there is no 1-wire bus",
        "Restart: Logboat adds the line to `config.txt`. If the message stays, run `logboat doctor`.",
    ),
    (
        "no … answers on the 1-wire bus; check its wires",
        "Check the three wires, and the 4.7 kΩ resistor from the data wire (header pin 7) to 3.3 V.",
    ),
    (
        "no … answers on the 1-wire bus, but … does",
        "The chip that answers is of another type. Write the kind that the message names.",
    ),
    (
        "… does not answer on the 1-wire bus",
        "Compare the address with those that answer. If it is right, check the wires of this sensor.",
    ),
    (
        "there are … thermometers on the 1-wire bus",
        "Write the `address` of this sensor. To find it, connect the sensor alone.",
    ),
    (
        "the CRC is wrong",
        "The data were damaged on the wire. Shorten it, and keep it away from ignition cables.",
    ),
    ("only zeros were read", "The data wire touches ground. Look for a crushed cable, or water in a plug."),
    (
        "85 °C, because the sensor was just reset or powered up",
        "The supply wire is loose or missing. Check it, from the sensor to header pin 1.",
    ),
)
I2C_FAULTS: Final[FaultTable] = (
    (
        "the kernel has no … on …",
        "Restart: Logboat adds the line to `config.txt`. If the message names an address, write it.",
    ),
    (
        "the kernel is configured for it, but no such chip answered",
        "Check all four wires, the address pin, and the name printed on the chip. Then restart.",
    ),
    (
        "… cannot be read",
        "The chip stopped answering. Check its plug and its supply, and shorten a cable of more than 1 m.",
    ),
    (
        "… is outside the sensor's …",
        "The value is impossible. Check the wires; if they are good, replace the chip.",
    ),
)
