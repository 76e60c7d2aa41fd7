"""A vessel is found at its own address, however many others claim to be it."""

import asyncio
import errno
import random
import socket
import uuid
from collections.abc import Coroutine
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from sync.mesh.candidates import PROVEN_FOR, PROVEN_KEPT, VESSELS_KEPT, Candidate, Candidates
from sync.mesh.plan import Place, Role
from sync.mesh.probing import MOST_AT_ONCE, first_proven
from sync.mesh.sightings import SERVICE_TYPE, Advertisement, Sighting, Sightings
from sync.mesh.vessel_endpoint import CONNECT_WITHIN
from sync.peer.problems import Domain, Problem, ProblemError
from tests.polling import until

from .inprocess import Fleet, run, vessel

FORGED = 50
SECONDS = 20.0
"""Most seconds to find a vessel that has not yet been authenticated, if each forged address stays silent."""


def sighting(number: int, *, name: str = "brigid", log: str = "", addresses: int = 1) -> Sighting:
    letters = log or "".join(chr(ord("a") + int(digit)) for digit in f"{number:06}")
    return Sighting(
        vessel=name,
        log=letters,
        fleet="isles",
        db="log",
        store=str(uuid.UUID(int=number)),
        links=(),
        addresses=tuple(f"10.0.{number}.{n}" for n in range(1, addresses + 1)),
        port=4984,
        instance=f"{name}-{letters}",
    )


class _Clock(asyncio.SelectorEventLoop):
    """An event loop with a simulated clock, so that waiting takes no time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        select = self._selector.select  # type: ignore[attr-defined]

        def at_once(timeout: float | None) -> Any:
            self.now += timeout or 0.0
            return select(0)

        self._selector.select = at_once  # type: ignore[attr-defined]

    def time(self) -> float:
        return self.now


def timed(main: Coroutine[None, None, Candidate]) -> tuple[Candidate, float]:
    """Return the candidate that is found, and the seconds that it took on the simulated clock."""
    loop = _Clock()
    try:
        return loop.run_until_complete(main), loop.now
    finally:
        loop.close()


class _Network:
    """Addresses of which one is real; the others stay silent until an attempt times out, or refuse."""

    def __init__(self, real: Candidate, *, silent: bool = True) -> None:
        self.real, self._silent = real, silent
        self.dialled: list[Candidate] = []
        self.at_once = self.most_at_once = 0

    async def probe(self, candidate: Candidate) -> None:
        self.dialled.append(candidate)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if candidate == self.real:
                await asyncio.sleep(0.05)
                return
            await asyncio.sleep(CONNECT_WITHIN if self._silent else 0.0)
            raise ProblemError(Problem(Domain.POSIX, errno.ETIMEDOUT, "nobody answers"))
        finally:
            self.at_once -= 1


@pytest.mark.parametrize("seed", range(5))
def test_a_real_vessel_among_forged_ones_is_found_in_seconds(seed: int) -> None:
    every = [sighting(number) for number in range(FORGED + 1)]
    random.Random(seed).shuffle(every)
    candidates = Candidates()
    candidates.see("brigid", every, 0.0)
    network = _Network(Candidate.of(sighting(17)))
    found, took = timed(
        first_proven(partial(candidates.order, "brigid"), network.probe, failed=lambda _place: None)
    )
    assert found == network.real
    assert took < SECONDS
    assert network.most_at_once <= MOST_AT_ONCE


def test_a_vessel_that_has_proved_itself_is_dialled_first() -> None:
    candidates = Candidates()
    real = Candidate.of(sighting(FORGED))
    candidates.proved("brigid", real, 0.0)
    candidates.see("brigid", [sighting(number) for number in range(FORGED + 1)], 1.0)
    network = _Network(real)
    found, took = timed(
        first_proven(partial(candidates.order, "brigid"), network.probe, failed=lambda _place: None)
    )
    assert found == real
    assert network.dialled == [real]
    assert took < 0.2


def test_a_proven_place_is_tried_though_a_forged_record_stands_in_its_name() -> None:
    candidates = Candidates()
    real, forged = sighting(1, log="abcdef"), sighting(2, log="abcdef")
    candidates.see("brigid", [real], 0.0)
    candidates.proved("brigid", Candidate.of(real), 0.0)
    candidates.see("brigid", [forged], 1.0)
    assert candidates.order("brigid") == (Candidate.of(real), Candidate.of(forged))
    candidates.see("brigid", [forged], PROVEN_FOR + 1)
    assert candidates.order("brigid") == (Candidate.of(forged),)


def test_what_has_failed_comes_last_and_gets_its_turn_again() -> None:
    candidates = Candidates()
    one, two, three = (Candidate.of(sighting(number)) for number in (1, 2, 3))
    candidates.see("brigid", [sighting(1), sighting(2), sighting(3)], 0.0)
    candidates.failed("brigid", one, 1.0)
    candidates.failed("brigid", two, 2.0)
    assert candidates.order("brigid") == (three, one, two)
    candidates.proved("brigid", two, 3.0)
    assert candidates.order("brigid") == (two, three, one)
    candidates.failed("brigid", two, 4.0)
    assert candidates.order("brigid") == (two, three, one), (
        "where it once was it is before where it never was"
    )
    assert candidates.best("brigid", [sighting(3), sighting(2)]) == sighting(2)


def test_who_is_heard_of_meanwhile_has_his_turn_before_all_others_have_failed() -> None:
    candidates = Candidates()
    forged = [sighting(number) for number in range(FORGED)]
    candidates.see("brigid", forged, 0.0)
    real = sighting(99)
    network = _Network(Candidate.of(real))

    async def main() -> Candidate:
        loop = asyncio.get_running_loop()
        loop.call_later(2.0, candidates.see, "brigid", [real, *forged], 2.0)
        return await first_proven(
            partial(candidates.order, "brigid"), network.probe, failed=lambda _place: None
        )

    found, took = timed(main())
    assert found == network.real
    assert took < 2.0 + 2 * CONNECT_WITHIN


def test_when_all_fail_the_problem_is_that_of_the_likeliest() -> None:
    every = [Candidate.of(sighting(number)) for number in range(20)]
    failed: list[Candidate] = []

    async def probe(candidate: Candidate) -> None:
        raise ProblemError(Problem(Domain.POSIX, errno.ECONNREFUSED, candidate.addresses[0]))

    with pytest.raises(ProblemError, match=r"10\.0\.0\.1"):
        timed(first_proven(lambda: every, probe, failed=failed.append))
    assert failed == every


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 30), st.booleans()), max_size=200))
def test_what_is_remembered_is_bounded(events: list[tuple[int, int, bool]]) -> None:
    candidates = Candidates()
    for now, (name, number, proves) in enumerate(events):
        place = sighting(number, name=f"v{name}", addresses=20)
        candidates.see(place.vessel, [place], float(now))
        assert len(Candidate.of(place).addresses) == 8
        (candidates.proved if proves else candidates.failed)(place.vessel, Candidate.of(place), float(now))
        assert len(candidates.order(place.vessel)) <= PROVEN_KEPT + 1
    assert len(candidates._vessels) <= VESSELS_KEPT


class TestTheTable:
    def test_forged_instances_of_one_vessel_leave_room_for_others(self) -> None:
        table = Sightings(limit=20, limit_of_vessel=5)
        for number in range(100):
            table.see(sighting(number))
        assert len(table) == 5
        assert table.see(sighting(0, name="carina")) is not None

    def test_a_proven_instance_is_never_pushed_out_and_finds_room_again(self) -> None:
        table = Sightings(limit=20, limit_of_vessel=5)
        real = sighting(999)
        table.see(real)
        table.prove(real.instance)
        for number in range(100):
            table.see(sighting(number))
        assert table.get(real.instance) == real
        table.lose(real.instance)
        table.see(sighting(500))
        assert len(table) == 5
        assert table.see(real) is not None
        assert len(table) == 5
        assert table.get(real.instance) == real

    def test_a_full_table_makes_room_for_who_has_proved_himself(self) -> None:
        table = Sightings(limit=20, limit_of_vessel=5)
        for number in range(100):
            table.see(sighting(number, name=f"v{number}"))
        real = sighting(999)
        assert table.see(real) is None
        table.prove(real.instance)
        assert table.see(real) is not None
        assert len(table) == 20


def test_forged_records_on_the_network_do_not_hold_up_a_link(tmp_path: Path) -> None:
    """The forged records come first by name; their ports accept connections and stay silent."""

    async def main() -> None:
        fleet = Fleet.new()
        with ExitStack() as stack:
            silent = [
                stack.enter_context(socket.create_server(("127.0.0.1", 0))).getsockname()[1]
                for _ in range(FORGED)
            ]
            network = AsyncZeroconf(interfaces=["127.0.0.1"])
            told = []
            for number, port in enumerate(silent):
                forged = sighting(number)
                said = Advertisement("brigid", forged.log, fleet.name, "log", forged.store, port)
                info = ServiceInfo(
                    SERVICE_TYPE,
                    f"{said.instance}.{SERVICE_TYPE}",
                    port=port,
                    properties=said.to_txt(),
                    server=f"evil{number}.local.",
                    parsed_addresses=["127.0.0.1"],
                )
                told.append(network.async_register_service(info, cooperating_responders=True))
            try:
                for announced in await asyncio.gather(*told):
                    await announced
                async with vessel(tmp_path, fleet, "argo") as argo:
                    await until(lambda: len(argo.sightings) >= FORGED, "the forged ones are seen")
                    async with vessel(
                        tmp_path, fleet, "brigid", place=Place("brigid", role=Role.PASSIVE_ONLY)
                    ):
                        await until(lambda: argo.linked == {"brigid"}, "they are linked", within=30.0)
            finally:
                await network.async_close()

    run(main())
