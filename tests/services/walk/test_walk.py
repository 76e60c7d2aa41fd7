"""Each fault in the troubleshooting table is caused on real daemons, and all three reports show the fault.

The reports are the lights, `logboat status` and `logboat doctor`.
"""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from services.doctor import network
from services.lights.states import TABLE
from services.screens.troubleshooting import (
    TOLD_WITHIN_S,
    TROUBLES,
    CommonFault,
    lights_of,
    markdown,
    matches,
)
from services.terminal.present import screen
from tests.faults.disks import in_memory
from tests.gateway.broker import Broker
from tests.polling import PATIENCE_S
from tests.services.appliance import Appliance, logboat
from tests.services.syncing import Fleet

from .plants import PLANTS, Scene
from .ship import Lights, Ship

__all__ = ["logboat"]

pytestmark = pytest.mark.wall_clock

BY_NAME = {trouble.name: trouble for trouble in TROUBLES}
AT_SEA = {
    "what ends": (
        *("recorder-killed", "sync-killed", "lights-killed"),
        *("daemon-restless", "sensors-toml-broken"),
    ),
    "what hangs": ("recorder-hangs", "sync-hangs", "lights-hang"),
    "wires, clock, shore": (
        *("sensor-unplugged", "sensor-shorted", "output-fails"),
        *("clock-wrong", "gateway-stopped"),
    ),
    "other vessels": ("peer-cut", "certificate-expired", "vessel-cloned"),
}
"""Groups of faults. Each group has its own vessel, so that the groups can be tested in parallel."""
ON_THE_CARD = ("card-nearly-full", "card-full")
GOOD_WAYS_ASHORE = ("on", "slow blink", "off")


# Waiting


def allowed(seconds: float) -> float:
    """Return the time limit, which is longer on a busy machine because reports are late there."""
    busy = os.getloadavg()[0] / (os.cpu_count() or 1)
    return seconds * min(max(1.0, busy), 4.0)


def until(holds: Callable[[], object], what: str, *, began: float, within: float, ship: Ship) -> None:
    """Wait until the condition is true.

    The time limit applies to the beginning of a check, because its duration does not depend on the vessel.
    """
    while True:
        asked = time.monotonic()
        if holds():
            return
        late = asked - began > max(within, allowed(within))
        assert not late, f"not within {within:g} s: {what}\n{ship.said()}"
        time.sleep(0.1)  # poll files of other processes, which send no notification


# Reports


def are_lit(trouble: CommonFault, lights: Lights) -> bool:
    """Return True if the lights show the patterns in the table, each with one of its meanings."""
    if not trouble.lights:
        return not lights
    meanings = {(state.light, state.pattern.name, state.means) for state in TABLE}
    return all(
        (found := lights.get(light)) is not None and found[0] == pattern.name and (light, *found) in meanings
        for light, pattern in trouble.lights.items()
    )


def is_in_status(trouble: CommonFault, ship: Ship) -> bool:
    lines, to_do = ship.status()
    where, words = trouble.status
    return matches(words, lines[where]) and matches(trouble.to_do, to_do)


def is_the_doctors(trouble: CommonFault, ship: Ship) -> bool:
    where, words = trouble.doctor
    verdict, seen, cure = ship.doctor()[where]
    return matches(words, seen) and verdict in ("warn", "bad") and bool(cure)


def walk(names: tuple[str, ...], scene: Scene, well: Lights) -> None:
    """Cause each fault, wait for the reports, remove the fault, and wait until no fault is reported."""
    for name in names:
        plant_and_clear(BY_NAME[name], scene, well)


def plant_and_clear(trouble: CommonFault, scene: Scene, well: Lights) -> None:
    ship, name = scene.ship, trouble.name

    def is_well() -> bool:
        lights = ship.lights()
        ashore = lights.pop("gateway", ("", ""))[0]
        return ashore in GOOD_WAYS_ASHORE and lights == {k: v for k, v in well.items() if k != "gateway"}

    checks: list[tuple[str, Callable[[], bool]]] = [
        (f"lights: {lights_of(trouble)}", lambda: are_lit(trouble, ship.lights())),
        (f"status: {trouble.status}, to do: {trouble.to_do}", lambda: is_in_status(trouble, ship)),
        (f"doctor: {trouble.doctor}", lambda: is_the_doctors(trouble, ship)),
    ]
    began = time.monotonic()
    with PLANTS[name](scene):
        if name == "card-full":
            began = time.monotonic()  # until now the card was not full
        for what, holds in checks:
            until(holds, f"{name}: {what}", began=began, within=TOLD_WITHIN_S, ship=ship)
        told = time.monotonic() - began
    began = time.monotonic()
    until(is_well, f"{name}: well again: {well}", began=began, within=PATIENCE_S, ship=ship)
    for what, holds in checks[1:]:
        until(partial(_is_over, holds), f"{name}: over: {what}", began=began, within=PATIENCE_S, ship=ship)
    print(f"{name}: told after {told:.1f} s, over after {time.monotonic() - began:.1f} s")


def _is_over(holds: Callable[[], bool]) -> bool:
    return not holds()


def settled(ship: Ship, **wanted: str) -> Lights:
    """Return the lights as soon as they show that there is no fault."""

    def is_so() -> bool:
        found = ship.lights()
        return all(found.get(light, ("", ""))[0] == pattern for light, pattern in wanted.items())

    until(is_so, f"well: {wanted}", began=time.monotonic(), within=PATIENCE_S, ship=ship)
    return ship.lights()


@pytest.fixture(autouse=True)
def _no_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Prevent the doctor's multicast probe from sending packets."""
    monkeypatch.setattr(network, "read_interfaces", lambda: ())


@pytest.fixture
def fleet_at_sea(tmp_path: Path) -> Iterator[tuple[Scene, Lights]]:
    """Yield the vessel argo without faults, with a broker ashore and the vessel brigid nearby."""
    fleet = Fleet()
    broker = Broker(tmp_path / "broker").start()
    with ExitStack() as stack:
        stack.callback(broker.kill)
        argo = stack.enter_context(Ship(tmp_path / "argo", fleet, gateway=broker.url))
        brigid = stack.enter_context(Ship(tmp_path / "brigid", fleet, vessel="brigid", number="2"))
        argo.start("record", "sync", "lights")
        brigid.start("sync")
        well = settled(argo, power="on", record="on", mesh="on", gateway="on", fault="off")
        yield Scene(tmp_path, fleet, argo, brigid, broker), well


@pytest.mark.timeout(400)
@pytest.mark.parametrize("names", AT_SEA.values(), ids=AT_SEA)
def test_trouble_is_reported_until_it_ends(
    names: tuple[str, ...], fleet_at_sea: tuple[Scene, Lights]
) -> None:
    walk(names, *fleet_at_sea)


def test_full_card_is_reported_until_it_has_space(tmp_path: Path) -> None:
    fleet = Fleet()
    with (
        in_memory(tmp_path, megabytes=64) as disk,
        Ship(tmp_path / "argo", fleet, disk=disk) as argo,
    ):
        argo.start("record", "sync", "lights")
        well = settled(argo, record="on", mesh="slow blink", fault="off")
        walk(ON_THE_CARD, Scene(tmp_path, fleet, argo, disk=disk), well)


@pytest.mark.torture
@pytest.mark.timeout(1_800)
def test_all_troubles_are_reported_repeatedly_in_any_order(fleet_at_sea: tuple[Scene, Lights]) -> None:
    chance = random.Random(os.environ["LOGBOAT_SEED"])
    names = [name for group in AT_SEA.values() for name in group] * 3
    chance.shuffle(names)
    walk(tuple(names), *fleet_at_sea)


# The table


def test_every_trouble_is_tested() -> None:
    walked = [name for group in AT_SEA.values() for name in group]
    assert sorted([*walked, *ON_THE_CARD]) == sorted(PLANTS) == sorted(BY_NAME)
    assert len(BY_NAME) == len(TROUBLES)


def test_guide_is_in_the_documentation() -> None:
    assert markdown() in (Path(__file__).parents[3] / "docs/faults.md").read_text()


def test_patterns_match_names_and_figures() -> None:
    assert matches("1 faulty: … (open)", "2 sensors, 1 faulty: fuel-level (open)")
    assert not matches("1 faulty: … (open)", "2 sensors, 1 faulty: fuel-level (short)")
    assert matches("", "anything")


def test_guide_is_printed_by_the_doctor(logboat: Appliance) -> None:
    done = logboat("doctor", "--guide")
    assert done.status == 0
    assert "lights: fault: 1 flash" in done.out
    assert max(map(len, done.lines)) <= screen().width
    assert all(trouble.what.replace("`", "") in done.out for trouble in TROUBLES)
