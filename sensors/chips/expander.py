"""GPIO expanders whose pins the kernel provides as a GPIO chip: MCP23017.

`Expanders` opens an expander for the first driver that uses it, and `Expander` reads its inputs. The kernel's
driver is `drivers/pinctrl/pinctrl-mcp23s08.c`. Three of its properties determine how this module works:

- If the chip does not answer, the driver returns 0 for an input, and no error. A contact to ground would then
  read as closed. So the pin `PROOF_PIN` is an output that is high. If an input reads low, the level of this
  output is read too: if it also reads low, the chip does not answer.
- The driver writes a register only if the value differs from the last one that it tried to write. After a
  power interruption, the chip has lost its settings, but the driver does not detect this. So whenever the
  expander is opened, `PROOF_PIN` is made an input and then an output again, and is set to both levels.
- The driver does not connect the pull-up resistors inside the chip. Each input needs a resistor of its own.
"""

import errno
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

import gpiod
from gpiod.line import Bias, Direction, Value

from sensors.driver import DriverError

from .expander_keys import PROOF_PIN, line_of

Opener = Callable[[str], gpiod.Chip]
"""Function that opens a GPIO chip by the path of its device, or raises `OSError`."""
CONSUMER: Final = "logboat"
"""Name that `gpioinfo` shows as the user of Logboat's lines."""
_INPUT: Final = gpiod.LineSettings(direction=Direction.INPUT, bias=Bias.AS_IS)
_HIGH: Final = gpiod.LineSettings(direction=Direction.OUTPUT, output_value=Value.ACTIVE)
_NOT_ANSWERING: Final = (errno.EREMOTEIO, errno.EIO, errno.ETIMEDOUT, errno.ENXIO)
_GONE: Final = (errno.ENODEV, errno.ENOENT)


class Expander:
    """An open expander that one or more drivers use. `title` is its name and location for messages.

    `read` and `close` can be called from any thread.
    """

    def __init__(self, device: Path, title: str, opener: Opener) -> None:
        self.users = 0
        """Number of drivers that use the expander; only `Expanders` changes it."""
        self.broken = ""
        """Message of the error that made the expander fail; empty while it works."""
        self._title = title
        self._lock = threading.RLock()
        self._requests: dict[int, gpiod.LineRequest] = {}
        self._chip: gpiod.Chip | None = None
        try:
            try:
                self._chip = opener(str(device))
                self._prove()
            except OSError as error:
                raise self._failed(error, PROOF_PIN) from error
        except BaseException:
            self.close()
            raise

    def read(self, pin: str) -> bool:
        """Return the level of an input; True is high.

        The input is requested from the kernel when it is read for the first time. Raises `DriverError` if the
        chip does not answer, or if another program uses the pin.
        """
        with self._lock:
            if self.broken:
                raise DriverError(self.broken)
            try:
                self._request(pin)
                # a low level counts only if the chip answered after the read, and still reads low
                for _ in range(2):
                    if self._is_high(pin):
                        return True
                    if not self._is_high(PROOF_PIN):
                        raise self._failure(self._silent())
            except OSError as error:
                raise self._failed(error, pin) from error
            return False

    def close(self) -> None:
        """Release all pins and the chip; safe to call twice."""
        with self._lock:
            self.broken = self.broken or f"the {self._title} was closed"
            for request in self._requests.values():
                request.release()
            self._requests.clear()
            if self._chip is not None:
                self._chip.close()
                self._chip = None

    def _prove(self) -> None:
        """Make the proof pin a high output, and check that the chip responds.

        Raise `DriverError` if it does not.
        """
        request = self._request(PROOF_PIN)
        line = line_of(PROOF_PIN)
        request.reconfigure_lines({line: _HIGH})
        for level in (False, True):
            request.set_value(line, Value.ACTIVE if level else Value.INACTIVE)
            if self._is_high(PROOF_PIN) is not level:
                raise self._failure(
                    self._silent()
                    if level
                    else f"{PROOF_PIN} of the {self._title} reads high while it is set to low; leave this pin"
                    " open, and check that the chip is an MCP23017"
                )

    def _request(self, pin: str) -> gpiod.LineRequest:
        assert self._chip is not None
        line = line_of(pin)
        request = self._requests.get(line)
        if request is None:
            request = self._chip.request_lines({line: _INPUT}, consumer=CONSUMER)
            self._requests[line] = request
        return request

    def _is_high(self, pin: str) -> bool:
        line = line_of(pin)
        return self._requests[line].get_value(line) is Value.ACTIVE

    def _silent(self) -> str:
        return (
            f"the {self._title} does not answer; check its supply, the wires SDA and SCL, its address, and"
            f" that {PROOF_PIN} is open"
        )

    def _failure(self, text: str) -> DriverError:
        self.broken = text
        return DriverError(text)

    def _failed(self, error: OSError, pin: str) -> DriverError:
        """Return an error that states which operation on a pin failed, and what to do."""
        if error.errno == errno.EBUSY:
            # only this pin fails: the other sensors of the expander continue
            return DriverError(f"{pin} of the {self._title} is in use by another program; stop that program")
        if error.errno in _NOT_ANSWERING:
            return self._failure(self._silent())
        if error.errno in _GONE:
            return self._failure(
                f"the kernel has removed the {self._title}; check the kernel's messages, and restart"
            )
        if error.errno in (errno.EACCES, errno.EPERM):
            return self._failure(f"the {self._title} cannot be used: the user must be in the group gpio")
        return self._failure(f"{pin} of the {self._title} cannot be used: {error.strerror or error}")


class Expanders:
    """The open expanders that the drivers of a process use, by device path."""

    def __init__(self, root: Path, *, opener: Opener = gpiod.Chip) -> None:
        self._root = root
        self._opener = opener
        self._lock = threading.Lock()
        self._open: dict[str, Expander] = {}

    def join(self, name: str, title: str) -> Expander:
        """Return the expander whose device has this name; open it for its first user, or if it has failed.

        `title` is its name and location for messages. Raises `DriverError`.
        """
        with self._lock:
            expander = self._open.get(name)
            if expander is not None and expander.broken:
                del self._open[name]
                expander.close()
                expander = None
            if expander is None:
                expander = self._open[name] = Expander(self._root / "dev" / name, title, self._opener)
            expander.users += 1
            return expander

    def leave(self, name: str, expander: Expander) -> None:
        """Remove one user of an expander that `join` returned, and close it if no user is left."""
        with self._lock:
            expander.users -= 1
            if expander.users > 0:
                return
            if self._open.get(name) is expander:
                del self._open[name]
            expander.close()
