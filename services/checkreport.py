"""What a check of the stores found and did."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Report:
    """What a check found and did."""

    findings: list[str] = field(default_factory=list)
    """What is broken, in words; empty when all is well."""
    done: list[str] = field(default_factory=list)
    """What was repaired, in words."""
    unchecked: list[str] = field(default_factory=list)
    """What could not be looked at just now, and why."""
    copies: list[str] = field(default_factory=list)
    """What there is of copies, and what is damaged of them, in words; nothing is lost by that."""
    copies_damaged: bool = False
    """Whether some are, and were not copied anew."""
    repaired: bool = False
    in_use: bool = False
    """A daemon has the stores open: nothing was repaired."""
    progress: Callable[[], None] = lambda: None
    """Called after each step."""

    def as_dict(self) -> dict[str, Any]:
        """Return what is to be told, for programs."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "progress"}
