"""Tests of the class `Siege`. Its measurements are plausible, and an error in an attack fails the test."""

import pytest

from .attacker import Begun, Facts, Target
from .intruder import Intruder, entered
from .siege import CREW, GUEST, Siege, Size


async def idle(target: Target, begun: Begun) -> Facts:
    """Connect as a user, as a guest and as another vessel, make a harmless request, and disconnect.

    A connection with an unknown user name is refused.
    """
    intruders = [await Intruder.enter(target, who) for who in (CREW, GUEST, None)]
    begun()
    for intruder in intruders:
        await intruder.answered(intruder.ask({"Profile": "getCheckpoint", "client": "nobody"}))
        intruder.leave()
    stranger = await entered(target, "stranger")
    return {"answered": sum(len(intruder.replies) for intruder in intruders), "stranger": stranger is None}


async def failing(_: Target, begun: Begun) -> None:
    """Raise an error after the attack has begun, to simulate an attack in which a step fails."""
    begun()
    raise RuntimeError("no such weapon")


def test_vessel_without_an_attack_is_within_its_limits(siege: Siege, size: Size) -> None:
    report = siege.under(idle)
    assert report.facts == {"answered": 3, "stranger": True}
    assert len(report.times.each) >= 20
    assert 10 < report.before_mib <= report.most_mib
    report.assert_held(size)


def test_new_connections_can_be_timed(siege: Siege, size: Size) -> None:
    siege.under(idle, arrivals=True, least=5).assert_held(size)


def test_failed_attack_fails_its_test(siege: Siege) -> None:
    with pytest.raises(AssertionError, match="no such weapon"):
        siege.under(failing, least=1)
