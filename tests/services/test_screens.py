"""The output of commands has no overlong or truncated line and no missing fact, even in a pipe."""

import fcntl
import io
import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path
from typing import Any

import pytest

from sensors.state import SensorState
from services.cli.main import COMMANDS
from services.screens.status_lines import LINES
from services.terminal.present import wrap
from services.terminal.table import fitted
from tests.polling import PATIENCE_S

from . import documents as build
from .appliance import Appliance, logboat
from .doctor.test_checks import healthy
from .documents import UTC, network, peer, route

__all__ = ["logboat"]  # a fixture

ROOT = Path(__file__).parents[2]
LONG = "the-starboard-generator-18-kva"
SENSORS = [
    "bilge-float",
    "main-rpm",
    "fuel-level",
    "house-voltage",
    "house-current",
    "exhaust",
    "cabin",
    "water",
]
SENSORS += ["oil-pressure", "engine-hours", "log-speed", "black-water"]
VESSELS = ["brigid", "carrick", "dagda", "erin", "ferry", "gull"]
HEADS = {"-", *("id", "sensor", "vessel", "value", "state", "age", "rate", "name", "until", "acknowledged")}
HEADS |= {"severity", "what", "raised"}
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal(io.StringIO):
    """Fake standard output that reports itself as a terminal."""

    def isatty(self) -> bool:
        return True


Show = Callable[..., str]


@pytest.fixture
def show(logboat: Appliance, monkeypatch: pytest.MonkeyPatch) -> Show:
    """Return a function that runs a command on a terminal and returns the output with its colours."""

    def shown(width: int, *arguments: str, lines: int = 24) -> str:
        for name, value in (("COLUMNS", str(width)), ("LINES", str(lines)), ("TERM", "xterm")):
            monkeypatch.setenv(name, value)
        terminal = Terminal()
        with redirect_stdout(terminal):
            logboat(*arguments)
        return terminal.getvalue()

    monkeypatch.delenv("NO_COLOR", raising=False)
    return shown


@dataclass(frozen=True)
class Case:
    """Command to run, and a function that sets up the appliance on which the command runs."""

    prepare: Callable[[Appliance, pytest.MonkeyPatch], None]
    commands: Sequence[str] = ("status", "sensors", "peers --all", "alarms", "lights explain", "doctor")


def usual(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up six vessels, twelve sensors, two gateways, a broken wire, an alarm and a refused vessel."""
    sensors = {name: build.live_sensor(name=name.replace("-", " ").title()) for name in SENSORS}
    sensors["fuel-level"] |= {
        "value": None,
        "state": "open",
        "detail": "2.97 V is above 2.5 V",
        "unit": "ratio",
    }
    sensors["bilge-float"] |= {
        "value": True,
        "unit": "bool",
        "alarm": "alarm",
        "path": "bilge.main.highWater",
    }
    appliance.put(
        build.vessel(),
        build.boot(1, network(0, UTC)),
        build.reading(1.0),
        build.alarm(1, text="Fuel is low", severity="warn", cleared=400.0),
        build.alarm(2, text="Water in the main bilge", sensor="bilge-float", condition="active", value=True),
    )
    appliance.live(sensors=sensors)
    peers = [peer(name, behind=number * 7) for number, name in enumerate(VESSELS)]
    peers[4] = peer("ferry", "refused", problem="the certificate of ferry was revoked on 2026-05-01 (stolen)")
    ways = {name: route(name) for name in VESSELS[:3]} | {"hull": route("brigid", "hull", ago=86_400.0)}
    gateways = [
        gateway("office", backlogDocuments=1_234, backlogBytes=2_300_000, estimatedSeconds=740.0),
        gateway("club"),
    ]
    appliance.mesh(peers=peers, routes=ways, gateways=gateways)
    doctor(appliance, monkeypatch)


def gateway(name: str, state: str = "connected", **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "kind": "mqtt",
        "url": "mqtts://broker.example.org:8883",
        "state": state,
        "lastAcknowledged": UTC + 99_990.0,
    } | changes


def ugly(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up long names and messages, eight gateways and twelve vessels, with nearly every fault."""
    fault = "The voltage at the sender's terminal, 2.97 V, is beyond what a sender of 240 ohm can give, 2.5 V"
    path = "/var/lib/logboat/set-aside/log.db-2026-05-01T08:55:00Z-which-no-narrow-screen-can-show-whole"
    sensors: dict[str, dict[str, Any]] = {
        f"{LONG}-{number:02d}": build.live_sensor(
            None,
            state="out-of-range",
            detail=fault,
            name=f"The temperature of the {number}th exhaust of the starboard generator, at its elbow",
            alarm="emergency",
            rate=1234.5,
            clock=1.0,
        )
        for number in range(12)
    }
    sensors["dip"] = build.live_sensor(None, state=None, kind="manual", clock=None, utc=None)
    appliance.put(
        build.vessel(),
        build.boot(1, network(0, UTC, 1_000.0)),
        build.reading(1.0),
        *(
            build.alarm(
                number,
                sensor=LONG,
                text=f"The {number}th exhaust is too hot: reduce the load, look at the impeller",
                acks=[
                    {"who": name, "when": "2025-10-09T10:00:00Z"}
                    for name in ("anna", "bartholomew")[: number % 3]
                ],
            )
            for number in range(1, 5)
        ),
        build.equipment(3.0, sensor="x", state=SensorState.NOISY),
    )
    appliance.live(
        fault=f"{path}: the card is full",
        recording=False,
        documents=fault,
        copies=fault,
        problems=[f"{path}: {fault}"] * 3,
        sensors=sensors,
        clock={"source": "floor", "uncertainty": 0.0},
        identity={"fault": f"{path}: {fault}"},
    )
    names = [f"{LONG}-{number:02d}" for number in range(15)]
    states = ["linked", "silent", "refused", "connecting", "in sight"] * 3
    appliance.mesh(
        peers=[
            peer(
                name,
                state,
                behind=1_234_567,
                problem=f"{path}: {fault}" if state in ("refused", "silent") else None,
            )
            for name, state in zip(names, states, strict=True)
        ],
        routes={name: route(names[0], names[1], names[2], name, ago=864_000.0) for name in names[3:]},
        gateways=[
            gateway(
                f"the-office-{number}",
                "refused" if number % 2 else "connecting",
                problem=fault,
                backlogDocuments=1_234_567,
            )
            for number in range(8)
        ],
        clones=[f"{names[0]} and {names[1]} say that they are one vessel"],
        problems=[fault],
        crew=[
            {"user": f"the-bridge-{number}", "address": "[2001:db8::1234:5678:9abc:def0]:50000"}
            for number in range(4)
        ],
    )
    doctor(appliance, monkeypatch)


def doctor(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up an appliance with two faults for the doctor."""
    (appliance.root / "rig").mkdir()
    rig = healthy(appliance.root / "rig", monkeypatch)
    rig.recorder(problems=["sensors.toml:3: bad pin"])
    rig.remove("run/lights.json")
    monkeypatch.setattr("services.cli.doctor.appliance_of", lambda _args, _world: rig.appliance())


def silent(appliance: Appliance, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set up an appliance without daemons, with only a few recorded values."""
    del monkeypatch
    appliance.put(build.equipment(30.0), build.equipment(None, sensor="fuel", state=SensorState.STALE))


CASES = {
    "usual": Case(usual),
    "ugly": Case(ugly),
    "silent": Case(silent, ("status", "sensors", "alarms", "lights explain")),
}
TYPED = [
    pytest.param(case, command, id=f"{name}: {command}")
    for name, case in CASES.items()
    for command in case.commands
]


def squeezed(text: str) -> str:
    return "".join(COLOUR.sub("", text).split())


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize(("case", "command"), TYPED)
def test_no_line_is_too_long_and_no_fact_is_missing(
    case: Case, command: str, width: int, logboat: Appliance, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    case.prepare(logboat, monkeypatch)
    piped = logboat(*command.split()).out
    shown = show(width, *command.split())
    assert max(len(line) for line in COLOUR.sub("", shown).splitlines()) <= width
    if command.split(maxsplit=1)[0] in ("status", "lights", "doctor"):
        told = COLOUR.sub("", shown)
        if command == "status":  # a narrow screen has no columns, but a colon between label and text
            told = re.sub(rf"(?m)^  ({'|'.join(label for label, _ in LINES)}):", r"\1", told)
        assert squeezed(told) == squeezed(piped)
    else:
        lost = {word for word in piped.split() if word.strip(":;,") not in squeezed(shown)}
        assert lost <= HEADS  # a row in the form of a sentence omits columns without a value
    whole = re.compile(r"\d$|±$")
    unit = re.compile(r"\s*(\d{3}|kB|MB|GB|ms|s|min|h|d|V|%|±)\b")
    lines = COLOUR.sub("", shown).splitlines()
    if "  " not in shown.strip():  # not in columns
        assert not [line for line, after in pairwise(lines) if whole.search(line) and unit.match(after)]


def readings(appliance: Appliance) -> None:
    """Set up readings with gaps, faults and a long path, live values, notes, and files with mistakes."""
    appliance.put(
        build.vessel(),
        build.boot(1, network(0, UTC)),
        build.boot(3, network(0, UTC + 90_000, 1_000.0)),
        build.reading(30.25, None, 31, states={1: SensorState.OPEN, 2: SensorState.NOISY}),
        build.reading(30.25, None, 31, first=12, states={1: SensorState.OUT_OF_RANGE}),
        build.equipment(30.0),
    )
    appliance.live()
    (appliance.root / "sensors.toml").write_text(
        "".join(
            f'[[sensor]]\nid = "{LONG}-{number}"\nkind = "simulated"\nmodel = "engine"\n'
            f'path = "propulsion.{number}.revolutions"\nalarm = {{ above = 50 }}\n'
            for number in range(3)
        )
    )
    (appliance.root / "good").mkdir()
    shutil.copy(ROOT / "examples/trawler/sensors.toml", appliance.root / "good")
    shutil.copy(ROOT / "examples/trawler/vessel.toml", appliance.root / "good")
    (appliance.root / "vessel.toml").write_text('[vessel]\nid = "argo"\nmmsi = 7\ncolour = "red"\n')
    appliance("note", "We changed the impeller of the starboard generator; the old one had lost two blades")


READ = (
    *("log rpm", "log rpm --since 2030-01-01", "log nothing", "log rpm --add 3", "log rpm --until never"),
    *(
        "verify",
        "verify --vessel nobody",
        "note",
        "note --limit 0",
        "ack",
        "ack 999999999999",
        "alarms --all",
    ),
    *("peers --route nobody", "gateway retry office", "lights test", "bundle /nowhere/at/all/b"),
    *("config check {root}/sensors.toml", "config check {root}/vessel.toml", "config apply {root}/nothing"),
    *(
        "config check {root}/good/sensors.toml",
        "config sender --ohms 1 1",
        "store check",
        "demo --vessels 99",
        "fleet list {root}/no-fleet",
    ),
    *("help", "help no-such-page", "nonsense", "db", "db ls {root}/no-store.db"),
)


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("command", READ)
def test_no_line_of_a_command_or_an_error_is_too_long(
    command: str, width: int, logboat: Appliance, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    readings(logboat)
    typed = [word.format(root=logboat.root) for word in command.split()]
    piped = logboat(*typed)
    errors = Terminal()
    with redirect_stderr(errors):
        shown = show(width, *typed)
    for text, unfolded in ((shown, piped.out), (errors.getvalue(), piped.err)):
        told = COLOUR.sub("", text)
        assert max((len(line) for line in told.splitlines()), default=0) <= width, told
        if not command.startswith(("log rpm", "verify", "help")):  # a row that is a sentence has headings
            assert squeezed(told) == squeezed(unfolded)
    assert shown or errors.getvalue()


ACTIONS = (
    "config sender",
    "config apply",
    "lights explain",
    "fleet card",
    "fleet rekey",
    "db pull",
    "db serve",
)


@pytest.mark.parametrize("command", ["", *COMMANDS, *ACTIONS])
def test_no_line_of_the_help_is_too_long(command: str, logboat: Appliance, show: Show) -> None:
    shown = show(40, *command.split(), "--help")
    assert "--help" in shown
    assert max(map(len, shown.splitlines())) <= 40, shown


@pytest.mark.parametrize("command", CASES["usual"].commands)
def test_typical_fleet_fits_on_one_screen(
    command: str, logboat: Appliance, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual(logboat, monkeypatch)
    shown = show(80, *command.split())
    assert len(shown.splitlines()) < 24, shown  # the prompt takes one line


@pytest.mark.parametrize("command", CASES["usual"].commands)
def test_colours_are_used_only_on_terminals_whose_user_permits_them(
    command: str, logboat: Appliance, show: Show, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual(logboat, monkeypatch)
    typed = command.split()
    assert COLOUR.search(show(80, *typed))
    assert "\x1b" not in logboat(*typed).out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in show(80, *typed)


def test_piped_output_has_one_fact_per_line_whatever_columns_is_set_to(
    logboat: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    ugly(logboat, monkeypatch)
    monkeypatch.setenv("COLUMNS", "40")
    for command in ("status", "sensors", "peers", "alarms"):
        assert max(map(len, logboat(command).lines)) > 130, command
    assert len(logboat("status").lines) == 13


@pytest.mark.parametrize(("width", "more"), [(80, 0), (40, 8)])
def test_output_fits_a_real_terminal_of_that_size(width: int, more: int, logboat: Appliance) -> None:
    logboat.put(build.vessel(), build.boot(1, network(0, UTC)))
    (logboat.root / "sensors.toml").write_text("no_sensors = true\n")
    outer, inner = pty.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")} | {
        "TERM": "xterm",
        "PYTHONFAULTHANDLER": "1",
    }
    command = [str(Path(sys.executable).with_name("logboat")), "status", *logboat.places]
    with subprocess.Popen(command, stdout=inner, stdin=inner, env=environment) as process:
        os.close(inner)
        told = b""
        while chunk := _read(outer):
            told += chunk
            if chunk is _NOTHING:
                process.send_signal(signal.SIGABRT)  # the process writes its stack to standard error
        assert process.wait(30) == 0, told
    os.close(outer)
    lines = COLOUR.sub("", told.decode()).splitlines()
    assert max(map(len, lines)) <= width
    # The number of lines depends on the length of the temporary folder's path, which is folded too.
    assert 12 < len(lines) < 24 + more
    assert any(line.startswith("  recording") for line in lines)


_NOTHING = b"(no output)"


def _read(descriptor: int) -> bytes:
    """Return output of the process; b'' after its end, `_NOTHING` if it writes nothing for a long time."""
    if not select.select([descriptor], [], [], PATIENCE_S)[0]:
        return _NOTHING
    try:
        return os.read(descriptor, 4096)
    except OSError:  # on Linux: the other end of a pseudo-terminal has been closed
        return b""


class TestColumns:
    ROWS = (("id", "what", "n"), ("a", "red and green and blue", "1"), ("bb", "white", "22"))

    def test_rows_are_printed_in_columns_if_these_fit(self) -> None:
        head, blocks = fitted(self.ROWS, right=(2,), width=80)
        assert [*head, *chain(*blocks)] == [
            "id  what                     n",
            "a   red and green and blue   1",
            "bb  white                   22",
        ]

    def test_long_text_continues_on_the_next_line(self) -> None:
        head, blocks = fitted(self.ROWS, right=(2,), width=22)
        assert [*head, *chain(*blocks)] == [
            "id  what             n",
            "a   red and green    1",
            "    and blue",
            "bb  white           22",
        ]

    def test_column_without_any_text_takes_no_room(self) -> None:
        assert fitted((("id", ""), ("a", "")), width=80) == (["id"], [["a"]])

    def test_rows_become_sentences_if_columns_would_be_longer(self) -> None:
        rows = (("id", "one", "other"), ("a-very-long-id", "red", "white"))
        assert fitted(rows, width=20) == ([], [["a-very-long-id: one", "  red; other white"]])
        assert fitted(rows, plain=(1, 2), width=20) == ([], [["a-very-long-id: red;", "  white"]])

    def test_number_is_not_separated_from_its_thousands_and_its_unit(self) -> None:
        assert wrap("it is 12 345 kB now", 20) == ["it is 12 345 kB now"]
        assert wrap("the log is now 12 345 kB", 20) == ["the log is now", "  12 345 kB"]
        assert wrap("as of 08:55:00Z ± 20 s", 20) == ["as of", "  08:55:00Z ± 20 s"]
