"""Type of the report on a store check."""

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any


@dataclass(slots=True)
class Report:
    """Findings and repairs from a store check."""

    findings: list[str] = field(default_factory=list)
    """Descriptions of damage; empty if there is none."""
    done: list[str] = field(default_factory=list)
    """Descriptions of the repairs that were made."""
    unchecked: list[str] = field(default_factory=list)
    """Files that could not be checked, each with the reason."""
    copies: list[str] = field(default_factory=list)
    """Descriptions of the copies and any damage to them; damage to copies alone loses no data."""
    copies_damaged: bool = False
    """True if some copies are damaged and were not rewritten."""
    repaired: bool = False
    in_use: bool = False
    """True if a daemon had the stores open, in which case no repairs were made."""
    progress: Callable[[], None] = lambda: None
    """Callback that is called after each step."""

    def as_dict(self) -> dict[str, Any]:
        """Return the report as a dictionary for JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "progress"}
