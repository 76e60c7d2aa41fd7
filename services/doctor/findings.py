"""Results of the doctor's checks. Pure."""

from dataclasses import dataclass
from enum import Enum


class CheckStatus(Enum):
    """Outcome of a check, in order of severity."""

    SKIPPED = "skipped"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of one check."""

    verdict: CheckStatus
    seen: str
    """The observation, with its figures."""
    cure: str = ""
    """The remedy; '' if there is none."""


def good(seen: str) -> Finding:
    """Return a finding that all is in order."""
    return Finding(CheckStatus.GOOD, seen)


def skipped(why: str) -> Finding:
    """Return a finding that the check does not apply, or could not run."""
    return Finding(CheckStatus.SKIPPED, why)


def warn(seen: str, cure: str) -> Finding:
    """Return a warning: a fault is to be expected, or something could be better."""
    return Finding(CheckStatus.WARN, seen, cure)


def bad(seen: str, cure: str) -> Finding:
    """Return a finding that something is wrong."""
    return Finding(CheckStatus.BAD, seen, cure)
