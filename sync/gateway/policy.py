"""What goes to a gateway, when, and how fast: the parts into which its configuration divides the documents.

Pure: by which interface the gateway is reached, and what time it is, comes in as a `Situation`.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

from sync import documents

_INTERFACE: Final = re.compile(r"interface\s*(==|!=)\s*([A-Za-z0-9_.@-]{1,32})")
_HOURS: Final = re.compile(r"hours\s*(==|!=)\s*([01]\d|2[0-3]):([0-5]\d)\s*-\s*([01]\d|2[0-3]):([0-5]\d)")


@dataclass(frozen=True, slots=True)
class Situation:
    """How it is just now."""

    interface: frozenset[str] | None = None
    """All names of the interface by which the gateway is reached; None if it cannot be."""
    minute: int = 0
    """Of the day, where the vessel is."""


@dataclass(frozen=True, slots=True)
class InterfaceIs:
    """The gateway is reached by an interface of this name, or by another."""

    name: str
    negated: bool

    def holds(self, situation: Situation) -> bool:
        """Never without a way there: whether it is the dear one nobody knows then."""
        return situation.interface is not None and (self.name in situation.interface) is not self.negated

    def __str__(self) -> str:
        return f"interface {'!=' if self.negated else '=='} {self.name}"


@dataclass(frozen=True, slots=True)
class HoursAre:
    """It is between these minutes of the day, over midnight if the first is later."""

    begin: int
    end: int
    negated: bool

    def holds(self, situation: Situation) -> bool:
        """Whether it is."""
        minute = situation.minute
        if self.begin <= self.end:
            within = self.begin <= minute < self.end
        else:
            within = minute >= self.begin or minute < self.end
        return within is not self.negated

    def __str__(self) -> str:
        def shown(minute: int) -> str:
            return f"{minute // 60:02}:{minute % 60:02}"

        return f"hours {'!=' if self.negated else '=='} {shown(self.begin)}-{shown(self.end)}"


@dataclass(frozen=True, slots=True)
class When:
    """Conditions that must all hold; none is always."""

    conditions: tuple[InterfaceIs | HoursAre, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """`interface == NAME`, `interface != NAME`, `hours == HH:MM-HH:MM`, joined by `and`.

        Raises ValueError, in words.
        """
        found: list[InterfaceIs | HoursAre] = []
        for part in re.split(r"\s+and\s+", text.strip()):
            if (match := _INTERFACE.fullmatch(part)) is not None:
                found.append(InterfaceIs(match[2], match[1] == "!="))
            elif (match := _HOURS.fullmatch(part)) is not None:
                hours = [int(match[number]) for number in range(2, 6)]
                begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
                if begin == end:
                    msg = f"{part!r}: these hours begin when they end"
                    raise ValueError(msg)
                found.append(HoursAre(begin, end, match[1] == "!="))
            else:
                msg = f"{part!r} is no condition"
                raise ValueError(msg)
        return cls(tuple(found))

    def holds(self, situation: Situation) -> bool:
        """Whether all do."""
        return all(condition.holds(situation) for condition in self.conditions)

    @property
    def asks_for_interface(self) -> bool:
        """Whether it depends on the way."""
        return any(isinstance(condition, InterfaceIs) for condition in self.conditions)

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions))


ALWAYS: Final = When()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a policy: documents in any of these channels."""

    channels: tuple[str, ...]
    when: When = ALWAYS
    limit: float | None = None
    """Bytes a second."""


@dataclass(frozen=True, slots=True)
class Part:
    """Documents that go to a gateway on their own: what holds them up holds up no others."""

    name: str
    """What is kept durably of it goes by this: it tells which documents these are, and nothing else."""
    holds: Callable[[str], bool]
    """Whether a document is one of them, by its id."""
    when: When = ALWAYS
    limit: float | None = None


def parts(policy: Sequence[Entry]) -> tuple[Part, ...]:
    """The parts of a policy, the first before the others; the first entry with its channel has a document.

    Without any entry: everything, and history on its own.
    """
    if not policy:
        return _EVERYTHING
    found = []
    for number, entry in enumerate(policy):
        earlier = frozenset(channel for other in policy[:number] for channel in other.channels)
        wanted = frozenset(entry.channels)
        name = "+".join(sorted(wanted))
        if earlier:
            name += "-" + "-".join(sorted(earlier))
        found.append(Part(name, _of_channels(wanted, earlier), entry.when, entry.limit))
    return tuple(found)


def _of_channels(wanted: frozenset[str], earlier: frozenset[str]) -> Callable[[str], bool]:
    def holds(document_id: str) -> bool:
        name = documents.parse_id(document_id)
        if name is None or name.kind is documents.Kind.FORWARDED:
            return False
        channels = documents.channels(name.kind, name.vessel)
        return not wanted.isdisjoint(channels) and earlier.isdisjoint(channels)

    return holds


def _is_live(document_id: str) -> bool:
    # What vessels tell each other of gateways is no news to a gateway.
    return not documents.is_history(document_id) and not document_id.startswith(
        f"{documents.Kind.FORWARDED}:"
    )


_EVERYTHING: Final = (Part("live", _is_live), Part("history", documents.is_history))
