"""Results of the doctor's checks."""

from dataclasses import dataclass
from enum import Enum


class CheckStatus(Enum):
    """Outcome of a check; the members are in order of severity."""

    SKIPPED = "skipped"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """Result of a single check of the doctor."""

    verdict: CheckStatus
    seen: str
    """Description of what the check has observed, with the measured values."""
    cure: str = ""
    """The remedy; '' if none is needed."""


def good(seen: str) -> Finding:
    """Return a finding without a problem. `seen` describes the observation."""
    return Finding(CheckStatus.GOOD, seen)


def skipped(why: str) -> Finding:
    """Return the finding of a check that does not apply or could not run. `why` is the reason."""
    return Finding(CheckStatus.SKIPPED, why)


def warn(seen: str, cure: str) -> Finding:
    """Return a warning: a fault is likely, or something could be improved.

    `seen` describes the observation, and `cure` is the remedy.
    """
    return Finding(CheckStatus.WARN, seen, cure)


def bad(seen: str, cure: str) -> Finding:
    """Return a finding that reports a fault. `seen` describes the observation, and `cure` is the remedy."""
    return Finding(CheckStatus.BAD, seen, cure)
