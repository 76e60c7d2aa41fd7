"""Runs `tests.mesh.discovering` on hosts of a simulated network, and waits for its events."""

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, Final

from tests.namespaces import Host

PATIENCE: Final = 15.0
"""Time limit in seconds for an event, long enough for a busy machine. Most events take a second or two."""

ANNOUNCING: Final = 0.7
"""Time in seconds for which zeroconf announces a new name: three times, at intervals of 225 ms.

No event marks the end of this time.
"""


class Vessel:
    """Process that runs the discovery of one vessel, and the events that it has reported."""

    def __init__(self, host: Host, vessel: str, log: str = "logone", *arguments: str) -> None:
        self.name = f"{vessel}-{log}"
        self.started = time.monotonic()
        self._heard: list[dict[str, Any]] = []
        self._untaken: list[dict[str, Any]] = []
        self._events: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self.process = host.popen(
            [sys.executable, "-m", "tests.mesh.discovering", vessel, log, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def await_seen(self, instance: str, *addresses: str) -> dict[str, Any]:
        """Wait until the vessel has discovered this instance at exactly these addresses.

        On a busy machine, the IPv6 copy of a packet may be processed after the IPv4 copy.
        """
        found = self.await_("found", instance=instance)
        while found["addresses"] != list(addresses):
            found = self.await_("changed", instance=instance)
        return found

    def await_(self, event: str, *, within: float = PATIENCE, **fields: object) -> dict[str, Any]:
        """Wait for an event of this kind with these fields. Remove and return the earliest such event."""
        deadline = time.monotonic() + within
        for told in self._untaken:
            if _fits(told, event, fields):
                self._untaken.remove(told)
                return told
        while True:
            try:
                found = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                found = None
            if found is None:
                everything = "\n".join(map(str, self._heard))
                raise AssertionError(
                    f"{self.name}: no {event} with {fields} in {within:g} s; told:\n{everything}"
                )
            if _fits(found, event, fields):
                return found
            self._untaken.append(found)

    def has_told(self, event: str) -> bool:
        """Return True if the process has reported an event of this kind at any time."""
        return any(told["event"] == event for told in self._heard)

    def ask(self, line: str) -> None:
        """Send a command to the process."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def state(self) -> dict[str, Any]:
        """Return the vessel's current name, problem and sightings."""
        self.ask("state")
        return self.await_("state")

    def await_state(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Query the vessel's state until `wanted` returns True for it, and return that state."""
        deadline = time.monotonic() + PATIENCE
        while not wanted(state := self.state()):
            assert time.monotonic() < deadline, f"{self.name} is still {state}"
            time.sleep(0.05)
        return state

    def await_announced(self) -> None:
        """Wait until the vessel has finished announcing its name. After this, it sends only answers."""
        self.await_state(lambda state: state["instance"] == self.name)
        time.sleep(ANNOUNCING)

    def leave(self) -> None:
        """Stop the process cleanly, so that it withdraws the vessel's advertisement. Wait for its exit."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self._reader.join()
        assert self.process.wait(PATIENCE) == 0

    def kill(self) -> None:
        """Kill the process, so that it does not withdraw the vessel's advertisement."""
        self.process.kill()
        self.process.wait()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                event = json.loads(line)
                self._heard.append(event)
                self._events.put(event)
        self._events.put(None)


def _fits(told: dict[str, Any], event: str, fields: dict[str, object]) -> bool:
    return told["event"] == event and all(told.get(key) == value for key, value in fields.items())
