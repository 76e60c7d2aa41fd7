"""A serial device from which a receiver's sentences are read."""

import os
import select
import termios
from pathlib import Path
from typing import Final

_SPEEDS: Final = {
    4800: termios.B4800,
    9600: termios.B9600,
    19200: termios.B19200,
    38400: termios.B38400,
    57600: termios.B57600,
    115200: termios.B115200,
}


class SerialDevice:
    """An open serial device in raw mode."""

    def __init__(self, path: Path, baud: int) -> None:
        """Open the device. Raise OSError if it cannot be opened, or is not a serial device."""
        self._fd = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        try:
            settings = termios.tcgetattr(self._fd)
            settings[0] = settings[1] = settings[3] = 0  # no conversion of input and output, no line editing
            settings[2] = termios.CS8 | termios.CREAD | termios.CLOCAL
            settings[4] = settings[5] = _SPEEDS[baud]
            termios.tcsetattr(self._fd, termios.TCSANOW, settings)
            termios.tcflush(self._fd, termios.TCIFLUSH)
        except termios.error as error:
            os.close(self._fd)
            raise OSError(error.args[0], "not a serial device") from None

    def read(self, timeout_s: float) -> bytes:
        """Return received bytes; b'' if none arrive within `timeout_s`.

        Raise OSError if the device is disconnected.
        """
        ready, _, _ = select.select([self._fd], [], [], timeout_s)
        if not ready:
            return b""
        data = os.read(self._fd, 4096)
        if not data:  # the end of a file: the device was unplugged
            raise OSError(19, "No such device")
        return data

    def close(self) -> None:
        """Close the device. It cannot be read afterwards."""
        os.close(self._fd)
