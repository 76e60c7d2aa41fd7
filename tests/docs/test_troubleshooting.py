"""The screens in README and docs/troubleshooting.md match the output of the commands.

They show a vessel at sea with a broken wire and water in the bilge, which has refused another vessel.
"""

from contextlib import redirect_stdout

import pytest

from services.state import state_file
from services.state.recorder_state import LiveSensor
from tests.services import documents as build
from tests.services.appliance import Appliance, logboat
from tests.services.doctor.test_checks import healthy
from tests.services.documents import UTC, network, peer, route
from tests.services.test_screens import Terminal, gateway

from .pages import DOCS, README, blocks

__all__ = ["logboat"]  # a fixture

COLUMNS = 100
SHOWN = ("status", "sensors", "alarms", "peers", "lights explain", "doctor")
DETAIL = "2.97 V is above 2.5 V"


def at_sea(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Create the live state and the documents that the screens show."""
    sensors = {
        "bilge-float": build.live_sensor(
            True,
            name="Main bilge float switch",
            path="bilge.main.highWater",
            unit="bool",
            alarm="alarm",
            rate=0.0,
        ),
        "exhaust": build.live_sensor(
            641.0, name="Exhaust", path="propulsion.main.exhaustTemperature", unit="K", rate=1.0
        ),
        "fuel-level": build.live_sensor(
            None,
            name="Fuel",
            path="tanks.fuel.main.currentLevel",
            unit="ratio",
            rate=0.1,
            state="open",
            detail=DETAIL,
        ),
        "house-voltage": build.live_sensor(
            12.72, name="House battery", path="electrical.batteries.house.voltage", unit="V", rate=2.0
        ),
        "main-rpm": build.live_sensor(24.5, name="Main engine", rate=4.97),
    }
    appliance.configure('[vessel]\nid = "argo"\nname = "SY Argo"\n')
    appliance.put(
        build.vessel(),
        build.boot(1, network(0, UTC), network(50_000, UTC + 50_000), network(99_000, UTC + 99_000)),
        build.alarm(
            212,
            sensor="bilge-float",
            text="Water in the main bilge",
            condition="active for 10 s",
            value=None,
            raised=99_400.0,
        ),
        build.alarm(
            87,
            sensor="fuel-level",
            text="Fuel is low",
            condition="below 15 %",
            value=None,
            severity="warn",
            raised=61_000.0,
            cleared=64_800.0,
        ),
    )
    appliance.live(sensors=sensors, identity={"fleet": "north", "fault": None})
    appliance.mesh(
        peers=[
            peer("brigid", behind=3, receiving=12),
            peer("ferry", "refused", problem="the certificate of ferry was revoked on 2025-10-01 (stolen)"),
        ],
        routes={"brigid": route("brigid", ago=4.0), "carrick": route("brigid", "carrick", ago=8.0)},
        gateways=[
            gateway(
                "office", kind="couchbase", backlogDocuments=321, backlogBytes=776_000, estimatedSeconds=12.0
            )
        ],
    )
    state_file.write(
        state_file.path(appliance.run_folder, "lights"),
        {"pid": 4712, "updated": {"clock": 100_000.0, "utc": UTC + 100_000}},
    )
    (appliance.root / "rig").mkdir()
    rig = healthy(appliance.root / "rig", monkeypatch)
    rig.recorder(
        sensors={"fuel-level": LiveSensor(state="open", detail=DETAIL), "cabin": LiveSensor(state="good")}
    )
    rig.put("sys/class/rfkill/rfkill0/soft", "1")
    monkeypatch.setattr("services.cli.doctor.appliance_of", lambda _args, _world: rig.appliance())
    for name, value in (("COLUMNS", str(COLUMNS)), ("LINES", "24"), ("NO_COLOR", "1"), ("TERM", "xterm")):
        monkeypatch.setenv(name, value)


def told(appliance: Appliance) -> str:
    """Return the commands and their output in the format of the documentation page."""
    parts = []
    for command in SHOWN:
        terminal = Terminal()
        with redirect_stdout(terminal):
            appliance(*command.split())
        parts.append(f"$ logboat {command}\n{terminal.getvalue()}")
    return "".join(parts)


def test_screens_in_the_documentation_match_the_commands(
    logboat: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_sea(logboat, monkeypatch)
    shown = told(logboat)
    text = (DOCS / "troubleshooting.md").read_text()
    begin = text.index("```\n$ logboat status\n") + 4
    assert text[begin : text.index("```", begin)] == shown
    (excerpt,) = (block.text for block in blocks(README) if block.text.startswith("$ logboat status"))
    assert shown.startswith(excerpt.removesuffix("…\n"))
