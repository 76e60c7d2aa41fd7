"""A start after a kill, a removal or a repair continues exactly where the documents end.

No sample is recorded twice, and no sample is left out. Each test reproduces a case that the random tests in
this folder have found.
"""

import random
from pathlib import Path

import pytest

from services.documents import retention
from services.recovery import store_check
from sync import documents
from sync.store import Database

from . import proof, rig
from .copies import copy_data
from .processes import Line
from .rig import FakeClock, Rig
from .vfs import FaultyDisk


def killed(folder: Path, clock: FakeClock, rng: random.Random, ledger: list[Line], *, seconds: int) -> Path:
    """Return the data of a vessel that was killed before it recorded which samples are documented."""
    data, left = folder / "before", folder / "left"
    data.mkdir()
    with Rig(data, clock=clock, rng=rng, ledger=ledger) as vessel:
        for _ in range(seconds):
            vessel.second()
        copy_data(data, left, without_shared_memory=True)
    clock.boot()
    return left


def go_on(data: Path, clock: FakeClock, rng: random.Random, ledger: list[Line]) -> proof.History:
    """Start the vessel again, run it for a while, stop it, and return the content of the documents."""
    with Rig(data, clock=clock, rng=rng, ledger=ledger) as vessel:
        for _ in range(20):
            vessel.second()
        assert vessel.finish()
    proof.assert_sound(data)
    history = proof.read(data)
    proof.assert_proved(history)
    return history


@pytest.mark.parametrize("turn", range(5))
def test_removed_history_is_not_written_again_after_a_kill(
    tmp_path: Path, rng: random.Random, turn: int
) -> None:
    ledger: list[Line] = []
    clock = FakeClock()
    data = killed(tmp_path, clock, rng, ledger, seconds=25)
    with Database.open(data / "log.db", policy=documents.POLICY) as database:
        removed = retention.make_room(database, vessel="argo", excess=lambda: 1, utc=clock.utc)
        assert removed.readings >= len(rig.SENSORS)
    history = go_on(data, clock, rng, ledger)
    assert history.unexplained(ledger) == []
    for key, spans in history.gaps.items():
        ((first, last, _),) = spans
        assert first == 1
        assert min(history.samples[key]) == last + 1


def test_documents_written_by_a_repair_are_not_written_again(tmp_path: Path, rng: random.Random) -> None:
    ledger: list[Line] = []
    clock = FakeClock()
    data = killed(tmp_path, clock, rng, ledger, seconds=60)
    (data / "log.db").write_bytes(rng.randbytes(50_000))
    (data / "log.db-wal").unlink()
    assert store_check.prepare(data).repaired
    history = go_on(data, clock, rng, ledger)
    assert history.absent(ledger) == []
    assert history.gaps == {}


def test_journal_truncated_before_its_first_write_is_not_damaged(tmp_path: Path, rng: random.Random) -> None:
    (tmp_path / "samples.db").touch()
    assert store_check.prepare(tmp_path).findings == []
    ledger: list[Line] = []
    assert go_on(tmp_path, FakeClock(), rng, ledger).absent(ledger) == []


def test_unreadable_stores_do_not_end_the_work_on_documents(tmp_path: Path, rng: random.Random) -> None:
    ledger: list[Line] = []
    with (
        FaultyDisk(rng) as disk,
        Rig(tmp_path, clock=FakeClock(), rng=rng, ledger=ledger, vfs=disk.name) as vessel,
    ):
        disk.chance = 1.0
        vessel.second()
        assert vessel.library.fault is not None
        assert "apsw" not in vessel.library.fault
        disk.chance = 0.0
        vessel.clock.advance(5_000)
        vessel.second()
        assert vessel.library.fault is None
