"""A vessel is found at its real address, even if many forged mDNS records use its name."""

import asyncio
import errno
import itertools
import random
import socket
import uuid
from collections.abc import Coroutine
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zeroconf import ServiceInfo
from zeroconf.asyncio import AsyncZeroconf

from sync.mesh.candidates import PROVEN_FOR, PROVEN_KEPT, VESSELS_KEPT, Candidate, Candidates
from sync.mesh.link_plan import MeshNode, Role
from sync.mesh.probing import BEGIN_WITHIN, HELD_FOR, MOST_AT_ONCE, first_proven
from sync.mesh.sightings import SERVICE_TYPE, Advertisement, Sighting, Sightings
from sync.mesh.vessel_endpoint import CONNECT_WITHIN, VesselEndpoint
from sync.net.endpoints import Security
from sync.net.tls_contexts import server_context
from sync.net.upgrade_handlers import Accept, Reject, Request
from sync.net.ws_client import UpgradeRefusedError
from sync.peer.problems import Domain, Problem, ProblemError
from tests.net.certificates import CA
from tests.net.wire import Recorder, host
from tests.polling import until

from .inprocess import Fleet, run, vessel

FORGED = 50
SECONDS = 20.0
"""Time limit in seconds for finding a vessel for the first time among forged addresses that never answer."""


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
    """Event loop with a simulated clock, so that waiting takes no time."""

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
    """Return the result of a coroutine, and the seconds that it took on the simulated clock."""
    loop = _Clock()
    try:
        return loop.run_until_complete(main), loop.now
    finally:
        loop.close()


class _Network:
    """Simulated network on which only one of a vessel's addresses is real.

    Connections to the forged addresses fail at once, or time out if `silent` is True.
    """

    def __init__(self, real: Candidate, *, silent: bool = True) -> None:
        self.real, self._silent = real, silent
        self.takes = 0.05
        """Time in seconds that a connection to the real address takes."""
        self.dialled: list[Candidate] = []
        self._begun: list[float] = []

    @property
    def most_at_once(self) -> int:
        """Maximum number of connection attempts that began within any `HELD_FOR` seconds."""
        return max(sum(at <= each < at + HELD_FOR for each in self._begun) for at in self._begun)

    async def probe(self, candidate: Candidate) -> None:
        self.dialled.append(candidate)
        self._begun.append(asyncio.get_running_loop().time())
        if candidate == self.real:
            await asyncio.sleep(self.takes)
            return
        await asyncio.sleep(CONNECT_WITHIN if self._silent else 0.0)
        raise ProblemError(Problem(Domain.POSIX, errno.ETIMEDOUT, "nobody answers"))


@pytest.mark.parametrize("seed", range(5))
def test_real_vessel_among_forged_ones_is_found_in_seconds(seed: int) -> None:
    every = [sighting(number) for number in range(FORGED + 1)]
    random.Random(seed).shuffle(every)
    candidates = Candidates()
    candidates.see("brigid", every, 0.0)
    network = _Network(Candidate.from_sighting(sighting(17)))
    found, took = timed(
        first_proven(partial(candidates.order, "brigid"), network.probe, failed=lambda _place: None)
    )
    assert found == network.real
    assert took < SECONDS
    assert network.most_at_once <= MOST_AT_ONCE


def test_proven_address_is_dialled_first() -> None:
    candidates = Candidates()
    real = Candidate.from_sighting(sighting(FORGED))
    candidates.proved("brigid", real, 0.0)
    candidates.see("brigid", [sighting(number) for number in range(FORGED + 1)], 1.0)
    network = _Network(real)
    found, took = timed(
        first_proven(partial(candidates.order, "brigid"), network.probe, failed=lambda _place: None)
    )
    assert found == real
    assert network.dialled == [real]
    assert took < 0.2


def test_proven_address_is_tried_although_a_forged_record_has_its_name() -> None:
    candidates = Candidates()
    real, forged = sighting(1, log="abcdef"), sighting(2, log="abcdef")
    candidates.see("brigid", [real], 0.0)
    candidates.proved("brigid", Candidate.from_sighting(real), 0.0)
    candidates.see("brigid", [forged], 1.0)
    assert candidates.order("brigid") == (Candidate.from_sighting(real), Candidate.from_sighting(forged))
    candidates.see("brigid", [forged], PROVEN_FOR + 1)
    assert candidates.order("brigid") == (Candidate.from_sighting(forged),)


def test_failed_candidates_come_last_and_are_tried_again() -> None:
    candidates = Candidates()
    one, two, three = (Candidate.from_sighting(sighting(number)) for number in (1, 2, 3))
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


def test_candidate_found_during_an_attempt_is_tried_before_all_others_have_failed() -> None:
    candidates = Candidates()
    forged = [sighting(number) for number in range(FORGED)]
    candidates.see("brigid", forged, 0.0)
    real = sighting(99)
    network = _Network(Candidate.from_sighting(real))

    async def main() -> Candidate:
        loop = asyncio.get_running_loop()
        loop.call_later(2.0, candidates.see, "brigid", [real, *forged], 2.0)
        return await first_proven(
            partial(candidates.order, "brigid"), network.probe, failed=lambda _place: None
        )

    found, took = timed(main())
    assert found == network.real
    assert took < 2.0 + 2 * HELD_FOR


def test_link_with_round_trips_of_two_seconds_is_made_without_delaying_others() -> None:
    """Connecting takes four round trips (TCP, TLS and HTTP), which take 8 s in this test."""
    every = [sighting(number) for number in range(FORGED + 1)]
    candidates = Candidates()
    candidates.see("brigid", every, 0.0)
    network = _Network(Candidate.from_sighting(every[0]))
    network.takes = 4 * 2.0
    assert network.takes < CONNECT_WITHIN / 1.5
    found, took = timed(
        first_proven(partial(candidates.order, "brigid"), network.probe, failed=lambda _place: None)
    )
    assert found == network.real
    assert took == pytest.approx(network.takes)
    assert len(network.dialled) > MOST_AT_ONCE


def test_candidate_found_during_a_single_attempt_is_tried() -> None:
    candidates = Candidates()
    moved, real = sighting(1), sighting(2)
    candidates.see("brigid", [moved], 0.0)
    network = _Network(Candidate.from_sighting(real))

    async def main() -> Candidate:
        asyncio.get_running_loop().call_later(2.5, candidates.see, "brigid", [real], 2.5)
        return await first_proven(
            partial(candidates.order, "brigid"), network.probe, failed=lambda _place: None
        )

    found, took = timed(main())
    assert found == network.real
    assert took < 4.0


def test_new_forged_addresses_do_not_prevent_another_attempt_at_a_failed_address() -> None:
    """A search tries each address only once, so it ends even if new addresses are announced continuously."""
    candidates = Candidates()
    real = sighting(0)
    candidates.see("brigid", [real], 0.0)
    candidates.proved("brigid", Candidate.from_sighting(real), 0.0)
    numbers = itertools.count(1)

    async def nobody(_candidate: Candidate) -> None:
        await asyncio.sleep(CONNECT_WITHIN)
        raise ProblemError(Problem(Domain.POSIX, errno.ETIMEDOUT, "nobody answers"))

    async def main() -> Candidate:
        loop = asyncio.get_running_loop()

        def announce() -> None:
            candidates.see("brigid", [real, sighting(next(numbers) % 200)], loop.time())
            loop.call_later(2.0, announce)

        announce()
        attempt = first_proven(
            partial(candidates.order, "brigid"),
            nobody,
            failed=lambda place: candidates.failed("brigid", place, loop.time()),
        )
        with pytest.raises(ProblemError):
            await asyncio.wait_for(attempt, 300.0)
        return candidates.order("brigid")[0]

    first, took = timed(main())
    assert first == Candidate.from_sighting(real)
    assert took <= BEGIN_WITHIN + CONNECT_WITHIN + 1.0


def test_last_address_that_answered_comes_first_and_proves_a_new_candidate() -> None:
    candidates = Candidates()
    first, forged = sighting(1, addresses=3), sighting(9)
    place = Candidate.from_sighting(first)
    candidates.proved("brigid", place, 1.0, address="10.0.1.2")
    candidates.proved("brigid", place, 2.0, address="10.0.1.3")
    assert candidates.addresses("brigid", place) == ("10.0.1.3", "10.0.1.2", "10.0.1.1")
    grown = Candidate(("10.0.5.5", "10.0.1.3"), place.port, place.database)
    candidates.see("brigid", [forged, replace(first, addresses=grown.addresses)], 3.0)
    assert candidates.order("brigid") == (place, grown, Candidate.from_sighting(forged))
    assert candidates.addresses("brigid", grown) == ("10.0.1.3", "10.0.5.5")
    link_local = Candidate(("fe80::1%wlan0", "fe80::2%wlan0"), 4984, "log")
    candidates.proved("brigid", link_local, 4.0, address="fe80::2")
    assert candidates.addresses("brigid", link_local) == ("fe80::2%wlan0", "fe80::1%wlan0")
    candidates.see("brigid", [forged], PROVEN_FOR + 5.0)
    assert candidates.addresses("brigid", place) == place.addresses


def test_reconnecting_to_a_vessel_that_has_moved_needs_one_tls_handshake() -> None:
    async def main() -> None:
        fleet = CA.new()
        handshakes: list[object] = []
        context = server_context(fleet.issue("brigid"))
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with host(tls=context, check=handshakes.append) as there:
                candidates = Candidates()
                moved = Candidate(("127.0.0.1",), silent.getsockname()[1], "db")
                now = Candidate(("127.0.0.1",), there.server.port, "db")
                loop = asyncio.get_running_loop()
                candidates.proved("brigid", moved, loop.time())
                candidates.see(
                    "brigid",
                    [replace(sighting(1), addresses=now.addresses, port=now.port, db="db")],
                    loop.time(),
                )
                where = VesselEndpoint(
                    "brigid.local", 0, "db", choices=candidates.for_vessel("brigid", loop.time)
                )
                security = Security(roots=[fleet.certificate], judge=lambda _: None)
                # Only the first connection needs another handshake, to find the vessel at its new address.
                for expected in (2, 1, 1):
                    transport = await where.connect(Recorder, security, {}, 0)
                    assert len(handshakes) == expected
                    assert candidates.order("brigid")[0] == now
                    assert len(candidates.order("brigid")) == 2
                    transport.close()
                    handshakes.clear()

    run(main())


def test_vessel_that_refuses_a_connection_is_not_searched_at_other_addresses() -> None:
    async def main() -> None:
        fleet = CA.new()
        with socket.create_server(("127.0.0.1", 0)) as silent:
            async with host(
                tls=server_context(fleet.issue("brigid")), answer=lambda _: Reject(403, "not you")
            ) as there:
                candidates = Candidates()
                loop = asyncio.get_running_loop()
                for port in (silent.getsockname()[1], there.server.port):
                    candidates.proved("brigid", Candidate(("127.0.0.1",), port, "db"), loop.time())
                where = VesselEndpoint(
                    "brigid.local", 0, "db", choices=candidates.for_vessel("brigid", loop.time)
                )
                began = loop.time()
                with pytest.raises(UpgradeRefusedError, match="not you"):
                    await where.connect(
                        Recorder, Security(roots=[fleet.certificate], judge=lambda _: None), {}, 0
                    )
                assert loop.time() - began < CONNECT_WITHIN / 2

    run(main())


@pytest.mark.parametrize(("name", "handshakes"), [("log", 5), ("db", FORGED + 5)])
def test_forged_database_names_at_the_real_address_do_not_prevent_a_link(name: str, handshakes: int) -> None:
    async def main() -> None:
        fleet = CA.new()
        seen: list[object] = []

        def answer(request: Request) -> Accept | Reject:
            if request.path != f"/{name}/_blipsync":
                return Reject(404, "no such database")
            return Accept(Recorder, next(iter(request.subprotocols)))

        async with host(tls=server_context(fleet.issue("brigid")), check=seen.append, answer=answer) as there:
            candidates = Candidates()
            loop = asyncio.get_running_loop()
            sightings = [
                replace(sighting(number), addresses=("127.0.0.1",), port=there.server.port, db=db)
                for number, db in enumerate([*(f"forged{number}" for number in range(FORGED)), name])
            ]
            candidates.see("brigid", sightings, loop.time())
            where = VesselEndpoint(
                "brigid.local", 0, "db", choices=candidates.for_vessel("brigid", loop.time)
            )
            security = Security(roots=[fleet.certificate], judge=lambda _: None)
            transport = await where.connect(Recorder, security, {}, 0)
            assert where.database == candidates.order("brigid")[0].database == name
            assert len(seen) <= handshakes
            transport.close()

    run(main())


def test_missing_database_is_reported_once_all_advertised_names_were_tried() -> None:
    async def main() -> None:
        fleet = CA.new()
        async with host(
            tls=server_context(fleet.issue("brigid")), answer=lambda _: Reject(404, "no such database")
        ) as there:
            candidates = Candidates()
            loop = asyncio.get_running_loop()
            sightings = [
                replace(sighting(number), addresses=("127.0.0.1",), port=there.server.port, db=f"d{number}")
                for number in range(5)
            ]
            candidates.see("brigid", sightings, loop.time())
            where = VesselEndpoint(
                "brigid.local", 0, "db", choices=candidates.for_vessel("brigid", loop.time)
            )
            with pytest.raises(UpgradeRefusedError, match="404"):
                await where.connect(
                    Recorder, Security(roots=[fleet.certificate], judge=lambda _: None), {}, 0
                )
            assert len(there.requests) == 5

    run(main())


def test_another_database_at_an_address_that_answered_is_not_proven() -> None:
    candidates = Candidates()
    real, other = sighting(1), sighting(2)
    forged = replace(sighting(3), addresses=real.addresses, db="forged")
    place = Candidate.from_sighting(real)
    candidates.see("brigid", [real], 0.0)
    candidates.proved("brigid", place, 1.0, address=real.addresses[0])
    candidates.see("brigid", [other, forged, real], 2.0)
    assert candidates.order("brigid") == (place, *map(Candidate.from_sighting, (other, forged)))


def test_problem_of_the_likeliest_candidate_is_reported_when_all_fail() -> None:
    every = [Candidate.from_sighting(sighting(number)) for number in range(20)]
    failed: list[Candidate] = []

    async def probe(candidate: Candidate) -> None:
        raise ProblemError(Problem(Domain.POSIX, errno.ECONNREFUSED, candidate.addresses[0]))

    with pytest.raises(ProblemError, match=r"10\.0\.0\.1"):
        timed(first_proven(lambda: every, probe, failed=failed.append))
    assert failed == every


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 30), st.booleans()), max_size=200))
def test_number_of_remembered_candidates_is_bounded(events: list[tuple[int, int, bool]]) -> None:
    candidates = Candidates()
    for now, (name, number, proves) in enumerate(events):
        place = sighting(number, name=f"v{name}", addresses=20)
        candidates.see(place.vessel, [place], float(now))
        assert len(Candidate.from_sighting(place).addresses) == 8
        (candidates.proved if proves else candidates.failed)(
            place.vessel, Candidate.from_sighting(place), float(now)
        )
        assert len(candidates.order(place.vessel)) <= PROVEN_KEPT + 1
    assert len(candidates._vessels) <= VESSELS_KEPT


class TestTheTable:
    def test_forged_instances_of_one_vessel_leave_room_for_others(self) -> None:
        table = Sightings(limit=20, limit_of_vessel=5)
        for number in range(100):
            table.record(sighting(number))
        assert len(table) == 5
        assert table.record(sighting(0, name="carina")) is not None

    def test_proven_instance_is_never_evicted_and_is_admitted_again(self) -> None:
        table = Sightings(limit=20, limit_of_vessel=5)
        real = sighting(999)
        table.record(real)
        table.prove(real.instance)
        for number in range(100):
            table.record(sighting(number))
        assert table.get(real.instance) == real
        table.lose(real.instance)
        table.record(sighting(500))
        assert len(table) == 5
        assert table.record(real) is not None
        assert len(table) == 5
        assert table.get(real.instance) == real

    def test_full_table_admits_a_proven_instance(self) -> None:
        table = Sightings(limit=20, limit_of_vessel=5)
        for number in range(100):
            table.record(sighting(number, name=f"v{number}"))
        real = sighting(999)
        assert table.record(real) is None
        table.prove(real.instance)
        assert table.record(real) is not None
        assert len(table) == 20


def test_forged_records_on_the_network_do_not_prevent_a_link(tmp_path: Path) -> None:
    """The forged records sort before the real one, and their ports accept connections but never respond."""

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
                        tmp_path, fleet, "brigid", place=MeshNode("brigid", role=Role.PASSIVE_ONLY)
                    ):
                        await until(lambda: argo.linked == {"brigid"}, "they are linked", within=30.0)
            finally:
                await network.async_close()

    run(main())
