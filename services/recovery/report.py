"""The report of a check of the stores."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Report:
    """The findings and the repairs of a check."""

    findings: list[str] = field(default_factory=list)
    """Damage, in words; empty if there is none."""
    done: list[str] = field(default_factory=list)
    """Repairs that were made, in words."""
    unchecked: list[str] = field(default_factory=list)
    """Files that could not be checked now, with the reason."""
    copies: list[str] = field(default_factory=list)
    """Number and damage of the copies, in words; damaged copies alone lose nothing."""
    copies_damaged: bool = False
    """True if some are damaged, and were not copied again."""
    repaired: bool = False
    in_use: bool = False
    """True if a daemon has the stores open, so that nothing was repaired."""
    progress: Callable[[], None] = lambda: None
    """Callback after each step."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON facts."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "progress"}
