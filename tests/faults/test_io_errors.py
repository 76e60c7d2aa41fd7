"""Reads, writes and flushes to disk (fsync) fail at random, and some writes are torn.

The recorder reports the errors, retries, and loses no accepted sample.
"""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.journal.schema import JournalError

from . import proof, rig
from .processes import Line
from .rig import FakeClock, Rig
from .vfs import FaultyDisk

TORTURE = (pytest.mark.torture, pytest.mark.timeout(3600))


@contextmanager
def started(
    data: Path, disk: FaultyDisk, rng: random.Random, clock: FakeClock, ledger: list[Line]
) -> Iterator[Rig]:
    """Yield a recorder that has started despite the disk's failures."""
    while True:
        try:
            vessel = Rig(data, clock=clock, rng=rng, ledger=ledger, vfs=disk.name)
            break
        except JournalError:
            clock.advance(5_000)
    with vessel:
        try:
            yield vessel
        finally:
            disk.chance = 0.0


@pytest.mark.parametrize("vessels", [4, pytest.param(60, marks=TORTURE)])
def test_accepted_samples_survive_a_disk_that_fails_at_random(
    tmp_path: Path, rng: random.Random, vessels: int
) -> None:
    for number in range(vessels):
        data = tmp_path / str(number)
        data.mkdir()
        ledger: list[Line] = []
        clock = FakeClock()
        with FaultyDisk(rng) as disk:
            disk.chance = rng.choice((0.003, 0.03))
            with started(data, disk, rng, clock, ledger) as vessel:
                for _ in range(60):
                    vessel.second()
                    if rng.random() < 0.1:
                        disk.chance = rng.choice((0.0, 0.003, 0.03, 0.3))
                assert not vessel.recording.damaged
                assert vessel.library.damaged is None
                disk.chance = 0.0
                clock.advance(5_000)
                vessel.second()
                assert vessel.recording.fault is None
                assert vessel.library.fault is None
                assert vessel.finish()
                accepted = {name: intake.last for name, intake in vessel.recording.intakes.items()}
        proof.assert_sound(data)
        history = proof.read(data)
        (log,) = history.logs
        for name, last in accepted.items():
            assert set(history.samples[name, log]) == set(range(1, last + 1))
        assert sorted(ledger) == sorted(
            (name, log, n + 1) for name in accepted for n in range(accepted[name])
        )
        assert history.gaps == {}
        proof.assert_proved(history)
        proof.assert_alarms_follow_from_samples(history, rig.SENSORS)
        print(disk.failed)
