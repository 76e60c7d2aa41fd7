"""The rules that decide what to publish on presence topics. This module does no I/O.

There is one presence topic for this vessel, and one for each vessel whose values this vessel forwards.
`online` means that the vessel is recording and that its values arrive. For this vessel, that depends on the
recorder's state. If the connection breaks, the broker publishes the last will, which is `offline`. For other
vessels, it depends on the documents received from them (see `signs_of_life`). There is no last will for them,
but their old values expire in Home Assistant (`expire_after`).

A vessel's own gateway takes precedence for the vessel's presence. If another gateway publishes a different
presence, the vessel's own gateway publishes the correct one again. For another vessel, a gateway replaces
`online` with `offline` only if it published that `online` itself, and no other gateway has published on the
topic since.
"""

from collections.abc import Iterable
from typing import Final

from sync.gateway.mqtt.topics import OFFLINE, ONLINE

from .signs_of_life import LATE_S

CORRECTED_EVERY: Final = 5.0
"""Minimum seconds between two corrections of other gateways' presence messages about this vessel."""


class Presence:
    """State of the presence topics of all vessels at one broker."""

    def __init__(self, own: str, *, online: Iterable[str] = (), now: float) -> None:
        """Create the state for the start of a run.

        Args:
            own: id of this vessel.
            online: ids of the other vessels that an earlier run last published as online.
            now: current time in seconds.
        """
        self._own = own
        self.online: set[str] = set(online)
        """Other vessels published as online here. No other gateway has published on their topics since."""
        self._until = dict.fromkeys(self.online, now + LATE_S)
        """Time at which the last heartbeat expires, by vessel."""
        self._signed_at: dict[str, float] = {}
        self._contradicted_at: dict[str, float] = {}
        self._brought: set[str] = set()
        self._there: dict[str, bytes] = {}
        self._published: dict[str, bytes] = {}
        """The payload that this gateway last published on this connection for each vessel."""
        self._corrected_at = float("-inf")

    def begin(self) -> None:
        """Begin a connection. The state of the topics is not known yet."""
        self._brought.clear()
        self._there.clear()
        self._published.clear()

    @property
    def own_payload(self) -> bytes:
        """The payload last published for this vessel on this connection; `offline` if there was none."""
        return self._published.get(self._own, OFFLINE)

    def bring(self, vessel: str) -> None:
        """Record that a vessel's retained messages have been read, so that its presence may be published."""
        self._brought.add(vessel)

    def sign(self, vessel: str, holds_for: float, now: float) -> None:
        """Record a heartbeat, which shows that a vessel is recording.

        The heartbeat is valid for `holds_for` seconds.
        """
        self._until[vessel] = max(self._until.get(vessel, now), now + holds_for)
        self._signed_at[vessel] = now

    def record_published(self, vessel: str, payload: bytes) -> None:
        """Record that this gateway has published a payload on a vessel's presence topic."""
        self._there[vessel] = self._published[vessel] = payload
        if payload == OFFLINE or vessel == self._own:
            self.online.discard(vessel)
        else:
            self.online.add(vessel)

    def record_received(self, vessel: str, payload: bytes, now: float, *, is_retained: bool) -> None:
        """Record a payload received on a vessel's presence topic."""
        if not is_retained and payload == self._published.get(vessel):
            return  # our own message was delivered back, or another gateway published the same
        self._there[vessel] = payload
        if not is_retained:
            self.online.discard(vessel)
            if payload == OFFLINE:
                self._contradicted_at[vessel] = now

    def due(self, now: float, *, is_recording: bool) -> list[tuple[str, bytes]]:
        """Return the presence payloads to publish now, as (vessel, payload).

        `is_recording` is True if this vessel's recorder is storing samples.
        """
        messages = []
        wanted, there = ONLINE if is_recording else OFFLINE, self._there.get(self._own)
        if there != wanted:
            is_correction = self._published.get(self._own) == wanted
            if not is_correction or now - self._corrected_at >= CORRECTED_EVERY:
                messages.append((self._own, wanted))
                self._corrected_at = now if is_correction else self._corrected_at
        for vessel in self._brought - {self._own}:
            there = self._there.get(vessel)
            if self._until.get(vessel, now) > now:
                last = self._contradicted_at.get(vessel, float("-inf"))
                if there != ONLINE and self._signed_at.get(vessel, now) > last:
                    messages.append((vessel, ONLINE))
            elif there is None or (there != OFFLINE and vessel in self.online):
                messages.append((vessel, OFFLINE))
        return messages

    def vessels_to_leave(self) -> list[str]:
        """Return the vessels to publish as offline, because this gateway is disconnecting."""
        return [self._own, *sorted(self.online)]
