"""Damage to any file in a vessel's data, after a kill or a clean stop, has no serious consequences.

A file is deleted, emptied, zeroed, truncated, replaced with an older copy, or has a bit flipped. No sequence
number is assigned twice. Every reported sample is present or listed as missing. No damaged file is reported
as sound. Every start succeeds.
"""

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from services.journal import number_witness
from services.recovery import store_check
from sync.store import wal

from . import proof
from .copies import copy_data
from .processes import Line, RecorderProcess
from .rig import FakeClock, Rig
from .test_damage import vessel

TORTURE = (pytest.mark.torture, pytest.mark.timeout(7200))
JOURNAL = ("samples.db", "samples.db-wal", "samples.db-shm", "samples.db*", number_witness.NAME)
STORE = ("log.db", "log.db-wal", "log.db-shm", "log.db*")
COPIES = ("copies/000001.seg", "copies/000002.seg", "copies/000003.seg", "copies")
FILES = (*JOURNAL, *STORE, *COPIES)
"""Names of the files to damage. A name with `*` means all files of a database together."""
CUTS, FLIPS = 20, 200


@dataclass(slots=True)
class Life:
    """Result of a simulated run: the vessel's files at its end, and the samples reported as durable."""

    data: Path
    older: Path
    """Copy of the vessel's files at an earlier time."""
    clock: FakeClock
    ledger: list[Line] = field(default_factory=list)


def live(folder: Path, rng: random.Random, *, stopped: bool, ring: int | None) -> Life:
    """Run a vessel three times, with one restart of the machine. End with a kill or a clean stop."""
    now, left = folder / "now", folder / "left"
    now.mkdir(parents=True)
    life = Life(left, folder / "older", FakeClock())
    for start in range(3):
        with Rig(
            now,
            clock=life.clock,
            rng=rng,
            ledger=life.ledger,
            log_pages=(1_000, 20, 50)[start],
            ring=ring,
        ) as aboard:
            aboard.library._copies._segment_bytes = 30_000
            for second in range(40):
                aboard.second()
                if start == 1 and second == 30:
                    copy_data(now, life.older)
            if start == 2 and not stopped:
                copy_data(now, left)
            elif start < 2:
                copy_data(now, folder / f"killed-{start}")
            else:
                assert aboard.finish()
        if start < 2:
            now = folder / f"killed-{start}"
            if start == 1:
                life.clock.boot()
        elif stopped:
            copy_data(now, left)
    return life


@pytest.fixture(scope="module", params=["killed", "stopped"])
def life(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Life:
    stopped = request.param == "stopped"
    return live(tmp_path_factory.mktemp("life"), random.Random(request.param), stopped=stopped, ring=40_000)


def files(data: Path, name: str) -> list[Path]:
    """Return the paths of the existing files that match a name in `FILES`."""
    if (data / name).is_dir():
        return sorted((data / name).iterdir())
    return sorted(path for path in data.glob(name) if path.suffix != ".lock" and path.is_file())


Damage = Callable[[Path, Path, random.Random], None]
"""Function that damages a file. The second argument is the path of an older copy, which may be missing."""


def delete(file: Path, _: Path, __: random.Random) -> None:
    file.unlink()


def empty(file: Path, _: Path, __: random.Random) -> None:
    file.write_bytes(b"")


def zero(file: Path, _: Path, __: random.Random) -> None:
    file.write_bytes(bytes(file.stat().st_size))


def garble(file: Path, _: Path, rng: random.Random) -> None:
    file.write_bytes(rng.randbytes(file.stat().st_size))


def put_back(file: Path, older: Path, _: random.Random) -> None:
    if older.exists():
        shutil.copy(older, file)
    else:
        file.unlink()


def cut(place: int) -> Damage:
    def damage(file: Path, _: Path, __: random.Random) -> None:
        with file.open("r+b") as opened:
            opened.truncate(file.stat().st_size * (place + 1) // (CUTS + 2))

    return damage


def flip(file: Path, _: Path, rng: random.Random) -> None:
    content = bytearray(file.read_bytes())
    if content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    file.write_bytes(content)


KINDS: dict[str, Damage] = {
    "deleted": delete,
    "emptied": empty,
    "zeroed": zero,
    "garbled": garble,
    "put back": put_back,
    "bit flipped": flip,
}


def cases(
    rng: random.Random, *, full: bool, names: tuple[str, ...] = FILES
) -> Iterator[tuple[str, str, Damage]]:
    """Yield (name, description, damage) for each file and kind of damage.

    If `full` is False, each kind of damage occurs once for each file.
    """
    for name in names:
        for kind, damage in KINDS.items():
            for number in range(FLIPS if full and kind == "bit flipped" else 1):
                yield name, f"{kind} {number}", damage
        for place in range(CUTS) if full else (rng.randrange(CUTS),):
            yield name, f"cut {place}", cut(place)


def survive(life: Life, target: Path, name: str, damage: Damage, rng: random.Random) -> None:
    """Damage a copy of the vessel's data, start the vessel on the copy, and check every guarantee."""
    if not files(life.data, name):
        return
    copy_data(life.data, target)
    chosen = files(target, name)
    for file in chosen:
        damage(file, life.older / file.relative_to(target), rng)
    aside = target.with_name(f"{target.name}-checked")
    copy_data(target, aside)
    told = store_check.prepare(aside, repair=False)
    says_sound = not (told.findings or told.unchecked or told.copies_damaged)
    shutil.rmtree(aside, ignore_errors=True)

    ledger, clock = list(life.ledger), FakeClock()
    clock.boots, clock.utc = life.clock.boots, life.clock.utc + 60
    clock.boot()
    store_check.prepare(target)
    with Rig(target, clock=clock, rng=rng, ledger=ledger) as aboard:
        for _ in range(3):
            aboard.second()
        assert not aboard.is_damaged
        assert aboard.finish()
    proof.assert_sound(target)
    history = proof.read(target)
    proof.assert_told_once(ledger)
    assert history.unexplained(ledger) == []
    proof.assert_proved(history)
    proof.assert_copied(target)
    if says_sound:
        assert history.absent(ledger) == []
        assert history.gaps == {}
    shutil.rmtree(target)


@pytest.mark.parametrize("names", [JOURNAL, STORE, COPIES], ids=["journal", "store", "copies"])
@pytest.mark.parametrize("full", [False, pytest.param(True, marks=TORTURE)], ids=["each once", "all"])
def test_damage_of_any_file_is_reported_and_repeats_no_number(
    tmp_path: Path, rng: random.Random, life: Life, names: tuple[str, ...], full: bool
) -> None:
    wrong, count = [], 0
    for number, (name, kind, damage) in enumerate(cases(rng, full=full, names=names)):
        count += 1
        try:
            survive(life, tmp_path / str(number), name, damage, rng)
        except Exception as error:
            wrong.append(f"{name} {kind}: {type(error).__name__}: {str(error)[:600]}")
            shutil.rmtree(tmp_path / str(number), ignore_errors=True)
    print(f"{count} cases, {len(wrong)} wrong")
    assert not wrong, "\n".join(wrong)


@pytest.mark.disk
@pytest.mark.parametrize("rounds", [1, pytest.param(10, marks=TORTURE)])
def test_recorder_detects_a_truncated_write_ahead_log(
    tmp_path: Path, rng: random.Random, rounds: int
) -> None:
    """The recorder is killed while its windows are open, so the samples are in no document yet."""
    for number in range(rounds):
        with RecorderProcess(vessel(tmp_path / str(number))) as recorder:
            recorder.start()
            recorder.wait_for_lines(3_000)
            older = copy_data(recorder.data, tmp_path / f"{number}-older")
            recorder.wait_for_lines(4_000)
            recorder.kill()
            if number % 2:
                for file in files(recorder.data, "samples.db*"):
                    put_back(file, older / file.name, rng)
            else:
                with (recorder.data / "samples.db-wal").open("r+b") as opened:
                    frames = wal.read(opened, 4_096).seen
                    opened.truncate(frames[len(frames) // 2].offset)
            for _ in range(2):
                recorder.start()
                recorder.wait_for_lines(2_000)
                assert recorder.stop() == 0
            proof.assert_told_once(recorder.ledger)
            proof.assert_sound(recorder.data)
            history = proof.read(recorder.data)
            assert history.unexplained(recorder.ledger) == []
            assert history.absent(recorder.ledger)
            proof.assert_proved(history)
            assert "a new log begins" in recorder.log
            assert "Traceback" not in recorder.log
