"""Each state of the appliance is shown as its own pattern on the status LEDs."""

from pathlib import Path
from typing import Any

import pytest

from services.config.model import LIGHTS
from services.lights import explain
from services.lights.facts import LightFacts
from services.lights.patterns import FAST, OFF, ON, SLOW, Pattern, flashes
from services.lights.states import TABLE, shown, single, worst
from services.state.boot_state import BootState
from services.state.crash_loops import CrashLoop
from services.state.liveness import Stamp
from services.state.recorder_state import LiveClock, LiveSensor, LiveStorage
from services.state.sync_state import LivePeer
from services.terminal.present import Screen

from .builders import NOW, UTC, facts, gateway, mesh, recorder

GOOD = {"power": ON, "record": ON, "mesh": ON, "gateway": ON, "fault": OFF}


def patterns(found: LightFacts) -> dict[str, Pattern]:
    return {light: state.pattern for light, state in shown(found).items()}


def test_lights_without_faults() -> None:
    assert patterns(facts()) == GOOD
    assert single(shown(facts())) == ON


CASES: list[tuple[str, dict[str, Any], dict[str, Pattern]]] = [
    ("the recorder is dead", {"dead": ("recorder",)}, {"record": FAST}),
    (
        "the recorder hangs: it lives, and stores nothing",
        {"recorder_is": recorder(last_durable=Stamp(clock=NOW - 11, utc=UTC))},
        {"record": FAST},
    ),
    (
        "the recorder has never stored anything",
        {"recorder_is": recorder(last_durable=None)},
        {"record": FAST},
    ),
    (
        "the card cannot be written",
        {"recorder_is": recorder(fault="read-only", recording=False)},
        {"record": FAST},
    ),
    (
        "nobody knows the time",
        {"recorder_is": recorder(clock=LiveClock(source="floor", uncertainty=1e6))},
        {"record": SLOW},
    ),
    ("the sync daemon is dead", {"dead": ("sync",)}, {"mesh": FAST, "gateway": FAST}),
    ("no identity", {"mesh_is": mesh(fault="none yet", waits_for_identity=True, peers=[])}, {"mesh": OFF}),
    ("no mesh", {"mesh_is": mesh(fault="port 4984 is taken", peers=[])}, {"mesh": FAST}),
    ("a clone", {"mesh_is": mesh(clones=["argo is there twice"])}, {"mesh": flashes(3)}),
    (
        "a vessel is refused",
        {"mesh_is": mesh(peers=[LivePeer(vessel="b", state="refused")])},
        {"mesh": flashes(2)},
    ),
    ("nobody is near", {"mesh_is": mesh(peers=[])}, {"mesh": SLOW}),
    ("no gateway", {"mesh_is": mesh(gateways=[])}, {"gateway": OFF}),
    ("a gateway refuses", {"mesh_is": mesh(gateways=[gateway(), gateway("refused")])}, {"gateway": FAST}),
    (
        "no way ashore",
        {"mesh_is": mesh(gateways=[gateway("connecting"), gateway("waiting")])},
        {"gateway": flashes(1)},
    ),
    (
        "one of two gateways is down",
        {"mesh_is": mesh(gateways=[gateway(), gateway("connecting")])},
        {"gateway": flashes(2)},
    ),
    ("catching up", {"mesh_is": mesh(gateways=[gateway(backlog_documents=9)])}, {"gateway": SLOW}),
    (
        "an alarm",
        {"recorder_is": recorder(sensors={"bilge": LiveSensor(state="good", alarm="alarm")})},
        {"fault": FAST},
    ),
    (
        "a broken wire",
        {"recorder_is": recorder(sensors={"bilge": LiveSensor(state="open")})},
        {"fault": flashes(1)},
    ),
    ("a sensor that has said no data yet", {"recorder_is": recorder(sensors={"bilge": LiveSensor()})}, {}),
    (
        "a full card",
        {"recorder_is": recorder(storage=LiveStorage(free=1e9, total=100e9, budget=80e9, used=1e9))},
        {"fault": flashes(2)},
    ),
    (
        "documents cannot be written",
        {"recorder_is": recorder(documents="disk I/O error")},
        {"fault": flashes(4)},
    ),
    (
        "a wrong file in use",
        {"recorder_is": recorder(problems=["sensors.toml:3: x"])},
        {"fault": flashes(3)},
    ),
    ("a wrong file on the card", {"boot": BootState(problems=("vessel.toml:3: x",))}, {"fault": flashes(3)}),
    (
        "an unused file on the card",
        {"boot": BootState(unused=("sensors.toml.txt: x",))},
        {"fault": flashes(3)},
    ),
    ("a failed unit", {"failed_units": ("logboat-store.service",)}, {"fault": flashes(5)}),
    (
        "a service that ends again and again",
        {"restless": (CrashLoop("sync", 7, "exit status 1"),)},
        {"fault": flashes(5)},
    ),
    ("a certificate that expires", {"expires": UTC + 86_400}, {"fault": flashes(6)}),
    ("low voltage", {"under_voltage": True}, {"power": FAST}),
    ("heat", {"throttled": True}, {"power": SLOW}),
    ("maintenance", {"maintenance": True}, {"power": flashes(2)}),
]


@pytest.mark.parametrize(("what", "changed", "expected"), CASES, ids=[case[0] for case in CASES])
def test_each_fault_is_shown_and_changes_no_other_light(
    what: str, changed: dict[str, Any], expected: dict[str, Pattern]
) -> None:
    del what
    assert patterns(facts(**changed)) == GOOD | expected


def test_alarm_has_priority_over_a_broken_wire_and_missing_recording_over_all() -> None:
    both = {"bilge": LiveSensor(state="good", alarm="alarm"), "fuel": LiveSensor(state="open")}
    assert patterns(facts(recorder_is=recorder(sensors=both)))["fault"] == FAST
    everything = shown(facts(dead=("recorder",), under_voltage=True, expires=UTC))
    assert worst(everything).means == "NOTHING IS RECORDED"
    assert single(everything) == FAST


def test_single_light_shows_the_worst_state() -> None:
    assert single(shown(facts(under_voltage=True))) == flashes(5)
    assert single(shown(facts(expires=UTC))) == flashes(2)


def test_every_state_of_the_table_can_be_shown() -> None:
    seen = {id(state) for _, changed, _ in CASES for state in shown(facts(**changed)).values()}
    seen |= {id(state) for state in shown(facts()).values()}
    assert [state.means for state in TABLE if id(state) not in seen] == []


def test_every_state_that_needs_action_has_a_remedy() -> None:
    assert [state.means for state in TABLE if state.severity > 1 and not state.cure] == []
    assert {state.light for state in TABLE} == set(LIGHTS)


def test_states_of_one_light_have_different_patterns() -> None:
    for light in LIGHTS:
        rows = [state for state in TABLE if state.light == light]
        told = [state.pattern for state in rows if "sync daemon" not in state.means]
        assert len(told) == len(set(told)), light


def test_table_is_in_the_documentation() -> None:
    assert explain.markdown() in (Path(__file__).parents[3] / "docs/lights.md").read_text()


@pytest.mark.parametrize("width", [40, 80])
def test_explanations_fit_the_screen(width: int) -> None:
    lines = list(explain.now(shown(facts(dead=("recorder", "sync"))), Screen(width=width)))
    assert max(map(len, lines)) <= width
    assert "NOTHING IS RECORDED" in " ".join(lines)
