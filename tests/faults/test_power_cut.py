"""A power cut occurs during any system call. Every sample in the ledger is stored afterwards.

In the journal and in the store, data that was not flushed to disk may be kept, dropped or torn.
"""

import random
from pathlib import Path

import pytest

from services.recovery import store_check

from . import proof, rig
from .power import Witness, leave
from .processes import Line
from .rig import FakeClock, Rig
from .vfs import FragileDisk, FragileFiles

TORTURE = (pytest.mark.torture, pytest.mark.timeout(3600))


@pytest.mark.parametrize("vessels", [3, pytest.param(40, marks=TORTURE)])
def test_samples_in_the_ledger_survive_power_cuts(tmp_path: Path, rng: random.Random, vessels: int) -> None:
    for number in range(vessels):
        data = tmp_path / str(number)
        data.mkdir()
        ledger, clock = live_through_cuts(data, rng, cuts=20, ring=rng.choice((0, None)))
        with Rig(data, clock=clock, rng=rng, ledger=ledger) as vessel:
            vessel.second()
            assert vessel.finish()
        proof.assert_sound(data)
        proof.assert_copied(data)
        history = proof.read(data)
        assert history.absent(ledger) == []
        proof.assert_told_once(ledger)
        assert history.gaps == {}
        assert {log for _, log, _ in ledger} == history.logs
        proof.assert_proved(history)
        proof.assert_alarms_follow_from_samples(history, rig.SENSORS)


def live_through_cuts(
    data: Path, rng: random.Random, *, cuts: int, ring: int | None = None
) -> tuple[list[Line], FakeClock]:
    """Run a vessel from its first start through several power cuts.

    Return the ledger as it was at the last cut, and the clock.
    """
    ledger: list[Line] = []
    clock = FakeClock()
    witness = Witness(data)
    for _ in range(cuts):
        told = 0
        before: dict[Path, bytes | None] = {}

        def cut() -> None:
            nonlocal told
            told = len(ledger)
            # The rig continues after the cut, and may remove copies that were on the disk at that moment.
            before.update((file, file.read_bytes()) for file in data.glob("copies/*.seg"))  # noqa: B023
            before[witness.path] = witness.after_cut(rng)  # noqa: B023

        with FragileDisk(rng) as disk:
            disk.cut_after(round(rng.expovariate(1 / 150)), cut)
            files = FragileFiles(disk)
            with Rig(
                data,
                clock=clock,
                rng=rng,
                ledger=ledger,
                vfs=disk.name,
                ring=ring,
                files=files,
                sync=witness.sync,
            ) as vessel:
                while disk.left is None:
                    vessel.second()
            leave(before | disk.left)
        del ledger[told:]
        clock.boot()
        if rng.random() < 0.5:  # otherwise the recorder itself is the first to open the files
            assert store_check.prepare(data).findings == []
    return ledger, clock
