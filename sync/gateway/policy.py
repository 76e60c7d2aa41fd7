"""The forwarding policy: which documents are forwarded to a gateway, when, and at what rate.

The policy in the configuration divides the documents into parts, which are forwarded independently. This
module does no I/O. The caller passes in a `Situation`, which contains the interface through which the gateway
is reached and the time of day.
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
    """The current facts on which the conditions in a forwarding policy depend."""

    interface: frozenset[str] | None = None
    """All names of the network interface through which the gateway is reached; None if there is no route."""
    minute: int = 0
    """Minute of the day in the vessel's local time."""


@dataclass(frozen=True, slots=True)
class InterfaceIs:
    """Condition that the gateway is reached through the named interface, or, if negated, that it is not."""

    name: str
    negated: bool

    def is_met(self, situation: Situation) -> bool:
        """Return True if the condition is met.

        Without a route to the gateway, the condition is never met, because the link may be metered.
        """
        return situation.interface is not None and (self.name in situation.interface) is not self.negated

    def __str__(self) -> str:
        return f"interface {'!=' if self.negated else '=='} {self.name}"


@dataclass(frozen=True, slots=True)
class HoursAre:
    """Condition that the time of day is within a range, or, if negated, outside it.

    The range may extend past midnight, such as 22:00-06:00.
    """

    begin: int
    end: int
    negated: bool

    def is_met(self, situation: Situation) -> bool:
        """Return True if the condition on the time of day is met."""
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
class PolicyConditions:
    """List of conditions, all of which must be met. An empty list is always met."""

    conditions: tuple[InterfaceIs | HoursAre, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse conditions such as `interface != NAME` and `hours == HH:MM-HH:MM`, joined by `and`.

        Both `interface` and `hours` can be used with `==` and with `!=`. Raises ValueError if the text is
        invalid.
        """
        conditions: list[InterfaceIs | HoursAre] = []
        for part in re.split(r"\s+and\s+", text.strip()):
            if (match := _INTERFACE.fullmatch(part)) is not None:
                conditions.append(InterfaceIs(match[2], match[1] == "!="))
            elif (match := _HOURS.fullmatch(part)) is not None:
                hours = [int(match[number]) for number in range(2, 6)]
                begin, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
                if begin == end:
                    msg = f"{part!r}: the hours begin and end at the same time"
                    raise ValueError(msg)
                conditions.append(HoursAre(begin, end, match[1] == "!="))
            else:
                msg = f"{part!r} is not a condition"
                raise ValueError(msg)
        return cls(tuple(conditions))

    def are_met(self, situation: Situation) -> bool:
        """Return True if all conditions are met."""
        return all(condition.is_met(situation) for condition in self.conditions)

    @property
    def asks_for_interface(self) -> bool:
        """True if a condition depends on the interface through which the gateway is reached."""
        return any(isinstance(condition, InterfaceIs) for condition in self.conditions)

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions))


ALWAYS: Final = PolicyConditions()


@dataclass(frozen=True, slots=True)
class PolicyEntry:
    """Entry in a policy. It applies to each document that is in at least one of the entry's channels."""

    channels: tuple[str, ...]
    when: PolicyConditions = ALWAYS
    limit: float | None = None
    """Maximum sending rate in bytes per second for these documents; None for no limit."""


@dataclass(frozen=True, slots=True)
class PolicyPart:
    """Subset of the documents that is forwarded independently, so that it does not delay other documents."""

    name: str
    """Name under which the progress of the part is stored. It depends only on the documents in the part."""
    holds: Callable[[str], bool]
    """Function that returns True if the document with the given id belongs to the part."""
    when: PolicyConditions = ALWAYS
    limit: float | None = None


def parts(policy: Sequence[PolicyEntry]) -> tuple[PolicyPart, ...]:
    """Return the parts of a policy in order of priority.

    A document belongs to the part of the first entry that has one of its channels. If the policy has no
    entries, there are two parts: documents that are not history, and history.
    """
    if not policy:
        return _EVERYTHING
    parts = []
    for number, entry in enumerate(policy):
        earlier = frozenset(channel for other in policy[:number] for channel in other.channels)
        wanted = frozenset(entry.channels)
        name = "+".join(sorted(wanted))
        if earlier:
            name += "-" + "-".join(sorted(earlier))
        parts.append(PolicyPart(name, _of_channels(wanted, earlier), entry.when, entry.limit))
    return tuple(parts)


def _of_channels(wanted: frozenset[str], earlier: frozenset[str]) -> Callable[[str], bool]:
    def holds(document_id: str) -> bool:
        name = documents.parse_id(document_id)
        if name is None or name.kind is documents.DocumentType.FORWARDED:
            return False
        channels = documents.channels(name.kind, name.vessel)
        return not wanted.isdisjoint(channels) and earlier.isdisjoint(channels)

    return holds


def _is_live(document_id: str) -> bool:
    # A gateway does not need the documents that vessels use to coordinate forwarding.
    return not documents.is_history(document_id) and not document_id.startswith(
        f"{documents.DocumentType.FORWARDED}:"
    )


_EVERYTHING: Final = (PolicyPart("live", _is_live), PolicyPart("history", documents.is_history))
