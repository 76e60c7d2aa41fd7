"""Answers of the doctor. Pure."""

from dataclasses import dataclass
from enum import Enum


class Verdict(Enum):
    """What an answer comes to; the worse come later."""

    SKIPPED = "skipped"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One answer."""

    verdict: Verdict
    seen: str
    """What was seen, with its figures."""
    cure: str = ""
    """What to do; '' if nothing."""


def good(seen: str) -> Finding:
    """As it should be."""
    return Finding(Verdict.GOOD, seen)


def skipped(why: str) -> Finding:
    """It does not apply here, or cannot be asked."""
    return Finding(Verdict.SKIPPED, why)


def warn(seen: str, cure: str) -> Finding:
    """Something will go wrong, or is not as well as it could be."""
    return Finding(Verdict.WARN, seen, cure)


def bad(seen: str, cure: str) -> Finding:
    """Something is wrong."""
    return Finding(Verdict.BAD, seen, cure)
