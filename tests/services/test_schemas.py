"""The output of every command with `--json` matches its schema, on appliances with and without faults."""

import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource

from sensors.state import SensorState
from services import schemas
from services.boot import run as boot_run
from services.boot import system
from services.boot.run import BootSequence
from services.clocks.clock_quality import Anchor
from services.clocks.time_source import TimeSource
from services.recovery.store_check import mark_damaged
from services.schemas import generate
from services.state import boot_state, state_file
from services.system import maintenance
from services.system.control_socket import (
    LIGHTS_SOCKET,
    SOCKET,
    SYNC_SOCKET,
    Addition,
    ControlAnswer,
    ControlServer,
    OutputTest,
    Retry,
)
from sync.store import Database
from tests.provisioning import images
from tests.provisioning.bundles import SENSORS, bundle, put

from . import documents as build
from .appliance import Appliance, logboat
from .doctor.test_checks import Rig, healthy
from .documents import UTC, network, peer, route
from .maintenance_schedule import builders as serviced
from .parsers import every_parser
from .test_boot import Pi, applier
from .test_command_db_sync import Serve, Start, serve, start
from .test_command_db_sync import run as run_db
from .test_command_fleet import north
from .test_command_fleet import run as run_fleet
from .test_maintenance import Tools

__all__ = ["logboat", "north", "serve", "start"]  # fixtures

SILENT = {
    "record": "a daemon: it has a journal",
    "sync": "a daemon: it has a journal",
    "lights": "a daemon: it has a journal",
    "gnss": "a daemon: it has a journal",
    "ended": "what systemd runs; what it notes is told by status",
    "lights test": "does what it was told, or fails",
    "lights off": "does what it was told, or fails",
    "demo": "a play for people",
    "help": "a page for people",
    "db get": "prints the document itself",
    "db export": "prints documents themselves",
}
"""Commands without JSON output of their own, with the reason for each."""

SCHEMAS = {shape: schemas.read(shape) for shape in schemas.VERSIONS}
REGISTRY: Registry[Any] = Registry().with_resources(
    (found["$id"], Resource.from_contents(found))
    for found in (*SCHEMAS.values(), schemas.read(schemas.COMMON))
)


@dataclass(frozen=True)
class Stage:
    """Fixtures for the examples: the simulated appliance, and access to pytest's own fixtures."""

    logboat: Appliance
    request: pytest.FixtureRequest
    monkeypatch: pytest.MonkeyPatch

    def told(self, *arguments: str) -> str:
        """Return the JSON output of a command."""
        done = self.logboat(*arguments, "--json")
        assert done.out, done.err
        return done.out

    def rig(self) -> Rig:
        """Return a healthy appliance for one example of the doctor."""
        folder = self.logboat.root / "rig"
        folder.mkdir()
        return healthy(folder, self.monkeypatch)


Example = Callable[[Stage], Iterator[str]]
EXAMPLES: dict[str, tuple[frozenset[str], Example]] = {}


def prints(command: str, *shapes: str) -> Callable[[Example], Example]:
    """Register the decorated example for this command, with the JSON shapes that the command's output has."""

    def note(example: Example) -> Example:
        EXAMPLES[command] = (frozenset(shapes), example)
        return example

    return note


def objects(text: str) -> Iterator[Any]:
    """Yield each JSON value in a text that contains one or more."""
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        found, end = decoder.raw_decode(text)
        yield found
        text = text[end:].strip()


def validate(found: Any) -> str:
    """Validate a value against the schema that it refers to, and return the name of its shape."""
    shape = found["format"].removeprefix("logboat.").partition("/")[0]
    errors = Draft202012Validator(SCHEMAS[shape], registry=REGISTRY).iter_errors(found)
    assert [f"{error.json_path}: {error.message[:300]}" for error in errors] == []
    return str(shape)


# Each command


SEEN = [{"who": "anna", "when": "2025-10-09T10:00:00Z"}]
GATEWAY = {
    "name": "office",
    "kind": "couchbase",
    "url": "wss://sync.example.org/fleet",
    "state": "waiting",
    "since": UTC,
    "lastAcknowledged": UTC,
    "backlogDocuments": 7,
    "backlogBytes": 4_000,
    "rate": 1.5,
    "problem": None,
    "estimatedSeconds": 4.7,
}
MESH: dict[str, Any] = {
    "peers": [
        peer("brigid", behind=12_345, receiving=7),
        peer("ferry", "refused", problem="its certificate was revoked"),
        peer("10.0.0.9:4984", "connecting", address="", problem="nobody answers"),
    ],
    "routes": {"brigid": route("brigid"), "erin": route("brigid", "?", "erin")},
    "crew": [{"user": "bridge", "address": "10.0.0.7:5000"}],
    "clones": ["two boards say they are ferry"],
    "quotas": [
        {
            "owner": "user:guest",
            "measure": "bytes",
            "limit": 4_000_000,
            "refused": 17,
            "until": UTC + 50_000.0,
        }
    ],
    "gateways": [
        GATEWAY,
        GATEWAY | {"state": "refused", "problem": "401", "lastAcknowledged": None, "rate": None},
    ],
}
FAULTY: dict[str, Any] = {
    "fault": "the card is full",
    "recording": False,
    "lastDurable": None,
    "documents": "the disk is read-only",
    "copies": "they cannot be written",
    "problems": ["sensors.toml:3: bad pin"],
    "clock": {"source": "floor", "uncertainty": 0.0},
    "storage": None,
    "identity": {"fleet": None, "fault": "vessel.key: gone"},
    "sensors": {
        "rpm": build.live_sensor(None, state="open", detail="2.97 V", alarm="warn"),
        "dip": build.live_sensor(None, state=None, kind="manual", clock=None, utc=None),
        "bilge": build.live_sensor(True, unit="bool", state="noisy"),
    },
}


def record(appliance: Appliance) -> None:
    """Write a history with gaps, faults, a boot without a known time, and text from other vessels."""
    floor = Anchor(0.0, UTC, TimeSource.FLOOR, 0.0)
    appliance.put(
        build.vessel(sensors=(build.settings(), build.settings("silent"))),
        build.boot(1, network(0, UTC)),
        build.boot(2, previous_end=(1, 5_000)),
        build.boot(5, floor, previous_end=(4, 5_000)),
        build.reading(30.25, None, 31, states={1: SensorState.OPEN, 2: SensorState.NOISY}),
        build.reading(1, 2, first=2, start=200),
        build.reading(3, first=20, boot=5, start=20, utc=0.0, synced=False),
        build.reading(True, sensor="float", unit="bool"),
        build.gap(6, 9),
        build.equipment(30.0, sequence=40),
        build.equipment(None, sensor="level", state=SensorState.SHORT, severity="warn"),
        build.alarm(1, cleared=200, acks=SEEN),
        build.alarm(2, value=None, acks=[{"who": "ben", "when": "yesterday"}]),
        ("alarm:argo:rpm:abcdef:000000000099", {"type": "alarm"}),
        ("equipment:argo:zzz", {"type": "equipment"}),
        ("reading:argo:rpm:abcdef:000000000300", {"type": "reading"}),
    )


@prints("status", "status")
def _status(stage: Stage) -> Iterator[str]:
    yield stage.told("status")  # there is nothing yet
    record(stage.logboat)
    yield stage.told("status")  # no recorder is running
    stage.logboat.live()
    yield stage.told("status")
    boot_state.write(stage.logboat.run_folder, boot_state.BootState(problems=("x",), generated=True))
    stage.logboat.live(**FAULTY)
    stage.logboat.mesh(**MESH)
    yield stage.told("status")
    stage.logboat.mesh(fault="there is no identity", waitsForIdentity=True, fleet=None, port=None)
    yield stage.told("status")


@prints("sensors", "sensors")
def _sensors(stage: Stage) -> Iterator[str]:
    record(stage.logboat)
    yield stage.told("sensors")
    stage.logboat.live(**FAULTY)
    yield stage.told("sensors", "--watch", "--count", "2")


@prints("peers", "peers")
def _peers(stage: Stage) -> Iterator[str]:
    yield stage.told("peers")
    stage.logboat.mesh(**MESH)
    yield stage.told("peers")
    yield stage.told("peers", "--route", "erin")
    stage.logboat.living.clear()
    yield stage.told("peers")


@prints("top", "top")
def _top(stage: Stage) -> Iterator[str]:
    yield stage.told("top")  # there is nothing yet
    record(stage.logboat)
    yield stage.told("top")
    stage.logboat.live(**FAULTY)
    stage.logboat.mesh(**MESH)
    yield stage.told("top")


@prints("log", "log", "log-added")
def _log(stage: Stage) -> Iterator[str]:
    record(stage.logboat)
    yield stage.told("log", "rpm")
    yield stage.told("log", "float")
    yield stage.told("log", "rpm", "--since", "2030-01-01")
    stage.logboat.live(sensors={"dip": build.live_sensor(kind="manual", unit="ratio")})
    with ControlServer(
        stage.logboat.run_folder / SOCKET,
        lambda _: ControlAnswer(ok=True, log="abcdef", sequence=1),
        asked=Addition,
    ):
        yield stage.told("log", "dip", "--add", "35 %")


@prints("gateway retry", "gateway-retry")
def _gateway_retry(stage: Stage) -> Iterator[str]:
    with ControlServer(
        stage.logboat.run_folder / SYNC_SOCKET, lambda _: ControlAnswer(ok=True, offered=3), asked=Retry
    ):
        yield stage.told("gateway", "retry", "office")


@prints("outputs", "outputs")
def _outputs(stage: Stage) -> Iterator[str]:
    yield stage.told("outputs")
    show_outputs(stage.logboat)
    yield stage.told("outputs")


@prints("outputs test", "output-test")
def _output_test(stage: Stage) -> Iterator[str]:
    show_outputs(stage.logboat)
    with ControlServer(
        stage.logboat.run_folder / LIGHTS_SOCKET, lambda _: ControlAnswer(ok=True, on=True), asked=OutputTest
    ):
        yield stage.told("outputs", "test", "siren")


def show_outputs(appliance: Appliance) -> None:
    works = build.live_output(on=True, why="alarm of bilge", readBack=True)
    broken = build.live_output("horn", readBack=None, fault="GPIO24 is in use")
    state_file.write(state_file.path(appliance.run_folder, "lights"), build.lights_state(works, broken))


@prints("alarms", "alarms")
def _alarms(stage: Stage) -> Iterator[str]:
    record(stage.logboat)
    yield stage.told("alarms", "--all")
    yield stage.told("alarms")


@prints("silence", "silence")
def _silence(stage: Stage) -> Iterator[str]:
    stage.logboat.put(build.alarm(1), build.alarm(2, sensor="oil", severity="emergency"))
    yield stage.told("silence", "1")
    yield stage.told("silence")


@prints("ack", "acknowledgement")
def _ack(stage: Stage) -> Iterator[str]:
    record(stage.logboat)
    yield stage.told("ack", "2")
    yield stage.told("ack", "2")


@prints("note", "note", "notes")
def _note(stage: Stage) -> Iterator[str]:
    stage.logboat.put(("note:argo:01", {"type": "note", "text": 7}))
    yield stage.told("note", "oil", "changed")
    yield stage.told("note")


@prints("service", "services")
def _service(stage: Stage) -> Iterator[str]:
    stage.logboat.put(serviced.vessel())
    yield stage.told("service")
    stage.logboat.put(serviced.vessel(serviced.OIL, serviced.RIGGING), serviced.hours(300))
    yield stage.told("service")
    stage.logboat("service", "done", "engine-oil", "--at", "100", "12 l")
    yield stage.told("service")


@prints("service done", "service-added")
def _service_done(stage: Stage) -> Iterator[str]:
    stage.logboat.put(serviced.vessel(serviced.OIL, serviced.RIGGING), serviced.hours(300))
    yield stage.told("service", "done", "engine-oil", "filter")
    yield stage.told("service", "done", "rigging")


@prints("verify", "verify")
def _verify(stage: Stage) -> Iterator[str]:
    stage.logboat.put(build.vessel(), build.boot(1, network(0, UTC)), build.reading(1, 2))
    yield stage.told("verify")
    record(stage.logboat)
    yield stage.told("verify")


@prints("lights explain", "lights", "lights-table")
def _lights(stage: Stage) -> Iterator[str]:
    yield stage.told("lights", "explain")
    stage.logboat.live(**FAULTY)
    yield stage.told("lights", "explain")
    yield stage.told("lights", "explain", "--table")


@prints("doctor", "doctor", "doctor-guide")
def _doctor(stage: Stage) -> Iterator[str]:
    rig = stage.rig()
    stage.monkeypatch.setattr("services.cli.doctor.appliance_of", lambda _args, _world: rig.appliance())
    yield stage.told("doctor")
    rig.recorder(problems=["bad pin"], fault="full")
    rig.remove("run/sync.json")
    rig.remove("run/lights.json")
    stage.monkeypatch.setattr("services.doctor.context.run_command", lambda _command: "")
    yield stage.told("doctor", "--fix")
    yield stage.told("doctor", "--guide")


@prints("bundle", "bundle")
def _bundle(stage: Stage) -> Iterator[str]:
    rig = stage.rig()
    stage.monkeypatch.setattr("services.cli.bundle.appliance_of", lambda _args, _world: rig.appliance())
    yield stage.told("bundle", str(stage.logboat.root / "x.tar.gz"))


@prints("config check", "config-check")
def _config_check(stage: Stage) -> Iterator[str]:
    files = [
        str(stage.logboat.root / name)
        for name in ("logboat.toml", "sensors.toml", "none.toml", "broken.toml")
    ]
    Path(files[1]).write_text('[[sensor]]\nid = "dip"\nkind = "manul"\nflavour = 1\n')
    Path(files[3]).write_text("[vessel\n")
    yield stage.told("config", "check", *files)


@prints("import", "import-check")
def _import_check(stage: Stage) -> Iterator[str]:
    file = stage.logboat.root / "rec.csv"
    for text in ("", "time,path,value\n0,a.b,1\n1,a.b,\n2,a.c,x\n", "time;path;value\n0;;1\n"):
        file.write_text(text)
        yield stage.told("import", "--check", str(file))


@prints("config sender", "config-sender")
def _config_sender(stage: Stage) -> Iterator[str]:
    yield stage.told("config", "sender", "--ohms", "240", "33", "--pull-up", "240")
    yield stage.told("config", "sender", "--shunt", "150", "--values", "0", "5", "--divider", "10", "3.3")


@prints("config apply", "config-apply")
def _config_apply(stage: Stage) -> Iterator[str]:
    pi = Pi(stage.logboat.root / "pi")
    put(pi.places.inbox, bundle())
    pi.start()
    new = stage.logboat.root / "new-sensors.toml"
    for text in (SENSORS.format(27), SENSORS.format(5)):
        new.write_text(text)
        yield applier(pi, stage.logboat)(new, "--json").out


@prints("maintenance", "maintenance")
def _maintenance(stage: Stage) -> Iterator[str]:
    root = stage.logboat.root
    (root / maintenance.APPLIANCE).parent.mkdir(parents=True)
    (root / maintenance.APPLIANCE).touch()
    stage.monkeypatch.setattr(os, "geteuid", lambda: 0)
    stage.monkeypatch.setattr(maintenance, "begin", partial(maintenance.begin, root=root, tool=Tools()))
    stage.monkeypatch.setattr(maintenance, "end", partial(maintenance.end, tool=Tools()))
    yield stage.told("maintenance", "--for", "5m")
    yield stage.told("maintenance", "--end")


@prints("boot", "boot")
def _boot(stage: Stage) -> Iterator[str]:
    pi = Pi(stage.logboat.root / "pi")
    stage.monkeypatch.setattr(system, "is_root", lambda: True)
    stage.monkeypatch.setattr(
        boot_run,
        "BootSequence",
        lambda _places, now, **_: BootSequence(pi.places, now, tool=pi.tool, slots=list),
    )
    yield stage.told("boot")
    put(pi.places.inbox, bundle())
    yield stage.told("boot")
    yield stage.told("boot", "card")
    yield stage.told("boot", "networks")
    yield stage.told("boot", "radio")


@prints("store check", "store-check")
def _store_check(stage: Stage) -> Iterator[str]:
    yield stage.told("store", "check")
    record(stage.logboat)
    yield stage.told("store", "check")
    content = bytearray(stage.logboat.store.read_bytes())
    content[4_096:20_000] = bytes(20_000 - 4_096)
    stage.logboat.store.write_bytes(content)
    mark_damaged(stage.logboat.data, "a bad page")
    yield stage.told("store", "check")
    yield stage.told("store", "check", "--repair")


@contextmanager
def some_store(stage: Stage) -> Iterator[str]:
    path = stage.logboat.root / "some.db"
    with Database.open(path) as database:
        database.put("a", {"n": 1})
        database.delete("b", parent=database.put("b", {}))
    yield str(path)


@prints("db put", "db-revision")
def _put(stage: Stage) -> Iterator[str]:
    yield stage.told("db", "put", str(stage.logboat.root / "new.db"), "a", "{}")


@prints("db rm", "db-revision")
def _rm(stage: Stage) -> Iterator[str]:
    with some_store(stage) as path:
        yield stage.told("db", "rm", path, "a")


@prints("db ls", "db-document")
def _ls(stage: Stage) -> Iterator[str]:
    with some_store(stage) as path:
        yield stage.told("db", "ls", path)
        yield stage.told("db", "ls", path, "--since", "0")


@prints("db changes", "db-change")
def _changes(stage: Stage) -> Iterator[str]:
    with some_store(stage) as path:
        yield stage.told("db", "changes", path)


@prints("db info", "db-info")
def _info(stage: Stage) -> Iterator[str]:
    with some_store(stage) as path:
        yield stage.told("db", "info", path)


@prints("db check", "db-check")
def _check(stage: Stage) -> Iterator[str]:
    with some_store(stage) as path:
        yield stage.told("db", "check", path)


@prints("db compact", "db-compact")
def _compact(stage: Stage) -> Iterator[str]:
    with some_store(stage) as path:
        yield stage.told("db", "compact", path)


@prints("db checkpoints", "db-checkpoint")
def _checkpoints(stage: Stage) -> Iterator[str]:
    with some_store(stage) as path:
        with Database.open(Path(path)) as store:
            store.put_local("peer-checkpoint:old", {})
            for owner in ("", "user:guest", "vessel:brigid"):
                store.checkpoints.put(owner, "cp", b"{}", parent=None)
            store.checkpoints.tick()
        yield stage.told("db", "checkpoints", path)
        yield stage.told("db", "checkpoints", path, "--drop")


def _replicated(stage: Stage, direction: str) -> Iterator[str]:
    begin: Serve = stage.request.getfixturevalue("serve")
    with some_store(stage) as path:
        served = begin()
        yield run_db(direction, path, served.url, "--pin", served.pin, "--json").out
        yield run_db(direction, path, served.url, "--pin", "AB" * 32, "--max-attempts", "1", "--json").out


@prints("db push", "db-replication")
def _push(stage: Stage) -> Iterator[str]:
    yield from _replicated(stage, "push")


@prints("db pull", "db-replication")
def _pull(stage: Stage) -> Iterator[str]:
    yield from _replicated(stage, "pull")


@prints("db sync", "db-replication")
def _sync(stage: Stage) -> Iterator[str]:
    yield from _replicated(stage, "sync")


@prints("db serve", "db-serve")
def _serve(stage: Stage) -> Iterator[str]:
    begin: Start = stage.request.getfixturevalue("start")
    running = begin("serve", stage.logboat.root / "there.db", "--port", 0)
    yield json.dumps(running.until(lambda facts: facts["event"] == "listening"))
    running.process.terminate()
    yield json.dumps(running.until(lambda facts: facts["event"] == "stopped"))


@prints("fleet init", "fleet")
def _init(stage: Stage) -> Iterator[str]:
    stage.logboat.secrets = ["four words and more"] * 2
    yield stage.told("fleet", "init", str(stage.logboat.root / "south"), "--name", "south")


@prints("fleet add", "fleet-identity")
def _add(stage: Stage) -> Iterator[str]:
    folder = stage.request.getfixturevalue("north")
    yield run_fleet(stage.logboat, "add", folder, "argo", "--json").out


@prints("fleet renew", "fleet-identity")
def _renew(stage: Stage) -> Iterator[str]:
    folder = stage.request.getfixturevalue("north")
    run_fleet(stage.logboat, "add", folder, "argo")
    yield run_fleet(stage.logboat, "renew", folder, "argo", "--json").out


@prints("fleet revoke", "fleet-revocation")
def _revoke(stage: Stage) -> Iterator[str]:
    folder = stage.request.getfixturevalue("north")
    run_fleet(stage.logboat, "add", folder, "argo")
    yield run_fleet(stage.logboat, "revoke", folder, "argo", "--json").out


@prints("fleet remove", "fleet-removal")
def _remove(stage: Stage) -> Iterator[str]:
    folder = stage.request.getfixturevalue("north")
    run_fleet(stage.logboat, "add", folder, "argo")
    yield run_fleet(stage.logboat, "remove", folder, "argo", "--yes", "--json").out


@prints("fleet rekey", "fleet-radio")
def _rekey(stage: Stage) -> Iterator[str]:
    folder = stage.request.getfixturevalue("north")
    run_fleet(stage.logboat, "add", folder, "argo")
    yield run_fleet(stage.logboat, "rekey", folder, "--json").out


@prints("fleet card", "fleet-card")
def _card(stage: Stage) -> Iterator[str]:
    folder = stage.request.getfixturevalue("north")
    run_fleet(stage.logboat, "add", folder, "argo")
    to = ("--image", str(images.image()), "--to", str(stage.logboat.root / "card.img"), "--yes", "--json")
    yield run_fleet(stage.logboat, "card", folder, "argo", *to).out


@prints("fleet list", "fleet-list")
def _list(stage: Stage) -> Iterator[str]:
    folder = stage.request.getfixturevalue("north")
    for vessel in ("argo", "brigid"):
        run_fleet(stage.logboat, "add", folder, vessel, "--mmsi", "211234560")
    run_fleet(stage.logboat, "revoke", folder, "argo", "--reason", "stolen")
    run_fleet(stage.logboat, "renew", folder, "argo")
    to = ("--image", str(images.image()), "--to", str(stage.logboat.root / "card.img"), "--yes")
    run_fleet(stage.logboat, "card", folder, "brigid", *to)
    yield stage.told("fleet", "list", str(folder))


@prints("fleet backup", "fleet-backup")
def _backup(stage: Stage) -> Iterator[str]:
    folder = stage.request.getfixturevalue("north")
    yield run_fleet(stage.logboat, "backup", folder, "--to", str(stage.logboat.root / "packed"), "--json").out


@prints("fleet restore", "fleet-restored")
def _restore(stage: Stage) -> Iterator[str]:
    folder, packed = stage.request.getfixturevalue("north"), str(stage.logboat.root / "packed")
    run_fleet(stage.logboat, "add", folder, "argo")
    run_fleet(stage.logboat, "backup", folder, "--to", packed)
    again = stage.logboat.root / "again"
    yield run_fleet(stage.logboat, "restore", again, "--from", packed, "--json").out


@prints("fleet password", "fleet-password")
def _password(stage: Stage) -> Iterator[str]:
    stage.monkeypatch.setattr("sys.stdin", io.StringIO("crews-own-password\n"))
    yield stage.told("fleet", "password")


# All commands


@pytest.mark.parametrize("command", EXAMPLES)
def test_output_matches_its_schema(
    command: str, logboat: Appliance, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes, example = EXAMPLES[command]
    texts = list(example(Stage(logboat, request, monkeypatch)))
    assert {validate(found) for text in texts for found in objects(text)} == shapes


def test_every_command_has_examples_or_a_reason_for_none() -> None:
    takes_json = {
        words for words, parser in every_parser().items() if "--json" in parser._option_string_actions
    }
    assert takes_json == EXAMPLES.keys() | SILENT.keys()
    assert not EXAMPLES.keys() & SILENT.keys()


def test_every_shape_is_printed_by_a_command() -> None:
    printed = frozenset[str]().union(*(shapes for shapes, _ in EXAMPLES.values()))
    assert printed == schemas.VERSIONS.keys()
    files = {path.stem for path in Path(schemas.__file__).parent.glob("*.json")}
    assert files == schemas.VERSIONS.keys() | {schemas.COMMON}


def test_schema_files_are_generated_from_the_printed_types() -> None:
    stale = [path.name for path, text in generate.files().items() if path.read_text() != text]
    assert stale == [], "write them again: python -m services.schemas.generate"


def test_every_shape_has_exactly_one_type() -> None:
    assert generate.outputs().keys() == schemas.VERSIONS.keys()


@pytest.mark.parametrize("shape", [*schemas.VERSIONS, schemas.COMMON])
def test_schema_is_valid_and_describes_every_member(shape: str) -> None:
    schema = schemas.read(shape)
    Draft202012Validator.check_schema(schema)
    assert schema["title"]
    if shape != schemas.COMMON:
        assert schema["properties"]["format"]["const"] == schemas.format_of(shape)
        assert schema["$id"] == f"urn:logboat:{shape}:{schemas.VERSIONS[shape]}"
    untold = [where for where, part in parts(schema) if not {"description", "$ref"} & part.keys()]
    assert untold == []
    open_ones = [
        where
        for where, part in parts(schema)
        if "properties" in part and part.get("additionalProperties") is not False
    ]
    assert open_ones == (["properties.notes.items"] if shape == "notes" else [])


def parts(schema: Any, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every member and every object of a schema with its path."""
    if isinstance(schema, dict):
        if "properties" in schema and where and ".if" not in f".{where}":
            yield where, schema
        for name, inner in schema.items():
            place = f"{where}.{name}".lstrip(".")
            if name in ("properties", "$defs") and isinstance(inner, dict):
                for member, part in inner.items():
                    if not f".{where}".endswith(".if"):
                        yield f"{place}.{member}", part
            yield from parts(inner, place)
    elif isinstance(schema, list):
        for number, inner in enumerate(schema):
            yield from parts(inner, f"{where}[{number}]")


def test_documentation_lists_every_shape_with_its_commands() -> None:
    text = (Path(__file__).parents[2] / "docs/json.md").read_text()
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| [")]
    listed = {(row[0].strip("| ").partition("]")[0].strip("[`"), row[1].strip("`")) for row in rows}
    assert listed == {(schemas.format_of(shape), schemas.read(shape)["title"]) for shape in schemas.VERSIONS}


@pytest.mark.parametrize("broken", [{"more": 1}, {"documents": "many"}, {"format": "logboat.db-info/0"}])
def test_deviation_from_a_schema_is_found(logboat: Appliance, broken: dict[str, Any]) -> None:
    record(logboat)
    found = logboat("db", "info", str(logboat.store), "--json").json
    validate(found)
    with pytest.raises(AssertionError):
        validate(found | broken)
