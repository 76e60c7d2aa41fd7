"""The sync daemon forwards documents to gateways; the tests use a real listener and a real mosquitto."""

import ipaddress
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from services.syncd.gateways import office_rule
from sync import documents
from sync.documents import POLICY
from sync.gateway import egress_interface
from sync.gateway.mqtt.limits import SAVE_DOCUMENTS, WINDOW_MESSAGES
from sync.mesh.interfaces import Interface
from sync.store import Database, Document
from tests import processes
from tests.fleet.builders import document
from tests.gateway import builders
from tests.gateway.broker import Broker, Listener, passwords
from tests.polling import wait_until
from tests.ports import free_port

from .syncing import Fleet, SyncProcess

NOTE = documents.note_id("argo", "01ARZ3NDEKTSV4RRFFQ69G5FAV")


class Shore:
    """Process that runs `logboat db serve`, as an office ashore would."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.store, self.port = folder / "fleet.db", free_port()
        (folder / "password").write_text("secret\n")
        self._log = (folder / "serve.log").open("ab")
        self._process = processes.Popen(
            [
                *(sys.executable, "-m", "services", "db", "serve", str(self.store), "--name", "fleet"),
                *("--host", "127.0.0.1", "--port", str(self.port)),
                *("--user", "argo", "--password-file", str(folder / "password")),
            ],
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )
        assert self._process.stdout is not None
        self.said = ""
        while "SHA-256" not in self.said:
            line = self._process.stdout.readline()
            assert line, (folder / "serve.log").read_text()
            self.said += line
        self.pin = next(word for word in self.said.split() if word.count(":") == 31 or len(word) == 64)

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()
        self._log.close()

    def database(self) -> Database:
        return Database.open(self.store, policy=POLICY)

    def toml(self, password: str, more: str = "") -> str:
        return (
            f'[[gateway]]\nname = "office"\nkind = "couchbase"\nurl = "wss://127.0.0.1:{self.port}/fleet"\n'
            f'user = "argo"\npassword_file = "{password}"\npin = "{self.pin}"\n{more}\n'
        )


@pytest.fixture
def shore(tmp_path: Path) -> Iterator[Shore]:
    found = Shore(tmp_path / "shore")
    yield found
    found.end()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    found = Broker(tmp_path / "broker").start()
    yield found
    found.stop()


def state_of(found: dict[str, Any], name: str) -> dict[str, Any]:
    chosen: dict[str, Any] = next(each for each in found["gateways"] if each["name"] == name)
    return chosen


def test_daemon_forwards_to_all_gateways_with_or_without_a_fleet(
    tmp_path: Path, shore: Shore, broker: Broker
) -> None:
    toml = shore.toml("office.password", 'direction = "both"\n')
    toml += f'[[gateway]]\nname = "club"\nkind = "mqtt"\nurl = "{broker.url}"\nsignalk = true\n'
    with SyncProcess(tmp_path / "argo", toml=toml) as argo:
        (argo.folder / "office.password").write_text("secret\n")
        data = argo.folder / "data"
        data.mkdir()
        with Database.open(data / "log.db", policy=POLICY) as database:
            builders.write_vessel(database, "argo", ["main"])
            builders.write_readings(database, "argo", "main", range(1, 101))
            alarm = builders.write_alarm(database, "argo", "main", 3)
        with shore.database() as office, Listener(broker.port) as listener:
            office.put(NOTE, {"type": "note", "vessel": "argo", "channels": ["notes"], "text": "Call us."})
            argo.start()
            argo.until(lambda found: {each["state"] for each in found["gateways"]} == {"connected"})
            wait_until(lambda: office.count() == 103, "all is in the office")
            wait_until(lambda: len(listener.on("/reading")) == 100, "all is at the club")
            assert office.get(alarm) is not None
            assert json.loads(listener.on("/alarm")[0].payload)["_id"] == alarm
            with Database.open(data / "log.db", policy=POLICY) as database:
                wait_until(lambda: database.get(NOTE) is not None, "the office's note is on board")
                wait_until(
                    lambda: all(
                        (found := database.get(f"forwarded:{name}:argo")) is not None
                        and found.body["bounds"] == {"argo:main:qwerty": 100}
                        for name in ("office", "club")
                    ),
                    "it is noted what is ashore",
                )
        argo.until(lambda found: all(each["backlogDocuments"] == 0 for each in found["gateways"]))
        done = argo.logboat("status")
        assert "office connected, up to date" in " ".join(done.stdout.split())
        Fleet().identity(argo.identity)
        argo.until(
            lambda found: (
                found.get("port") and all(each["backlogDocuments"] == 0 for each in found["gateways"])
            )
        )
        done = argo.logboat("peers")
        assert "shore office (couchbase): connected, up to date" in done.stdout
        assert "shore club (mqtt): connected, up to date" in done.stdout
        assert argo.stop() == 0


def test_password_that_was_corrected_is_used_without_a_restart(tmp_path: Path, shore: Shore) -> None:
    toml = shore.toml("office.password")
    with SyncProcess(tmp_path / "argo", toml=toml) as argo:
        argo.start()
        found = argo.until(lambda found: state_of(found, "office")["state"] == "refused")
        assert "office.password: No such file or directory" in state_of(found, "office")["problem"]
        (argo.folder / "office.password").write_text("wrong\n")
        argo.logboat("gateway", "retry", "office")
        argo.until(
            lambda found: "password or session is wrong" in (state_of(found, "office")["problem"] or "")
        )
        (argo.folder / "office.password").write_text("secret\n")
        argo.logboat("gateway", "retry", "office")
        argo.until(lambda found: state_of(found, "office")["state"] == "connected")


def test_corrected_password_of_a_broker_is_used_without_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "broker"
    folder.mkdir(mode=0o755)
    broker = Broker(folder, f"password_file {passwords(folder, [('argo', 'secret')])}", anonymous=False)
    broker.start()
    toml = f'[[gateway]]\nname = "club"\nkind = "mqtt"\nurl = "{broker.url}"\n'
    toml += 'user = "argo"\npassword_file = "club.password"\n'
    try:
        with SyncProcess(tmp_path / "argo", toml=toml) as argo:
            (argo.folder / "club.password").write_text("wrong\n")
            argo.start()
            argo.until(lambda found: state_of(found, "club")["state"] == "refused")
            (argo.folder / "club.password").write_text("secret\n")
            argo.logboat("gateway", "retry", "club")
            argo.until(lambda found: state_of(found, "club")["state"] == "connected")
    finally:
        broker.stop()


def test_killed_daemon_continues_after_the_last_message_acknowledged_by_the_broker(
    tmp_path: Path, broker: Broker
) -> None:
    toml = f'[[gateway]]\nname = "club"\nkind = "mqtt"\nurl = "{broker.url}"\nlimit = "250 kB/s"\n'
    with SyncProcess(tmp_path / "argo", toml=toml) as argo, Listener(broker.port) as listener:
        data = argo.folder / "data"
        data.mkdir()
        with Database.open(data / "log.db", policy=POLICY) as database:
            builders.write_readings(database, "argo", "main", range(1, 3_001))
        kills = 2
        for wanted in (1_000, 2_000):
            argo.start()
            wait_until(lambda: len(listener.on("/reading")) >= wanted, "some come")  # noqa: B023
            argo.kill()
        argo.start()
        wait_until(lambda: len({each.payload for each in listener.on("/reading")}) == 3_000, "all come")
        assert argo.stop() == 0
    came = builders.first_numbers(each.payload for each in listener.on("/reading"))
    assert list(dict.fromkeys(came)) == list(range(1, 3_001))
    twice = len(came) - 3_000
    print(f"\n  {kills} kills: {twice} of 3,000 came twice")
    assert twice <= kills * (WINDOW_MESSAGES + SAVE_DOCUMENTS)


def test_unusable_gateway_is_reported_and_does_not_stop_others(tmp_path: Path, shore: Shore) -> None:
    toml = shore.toml("office.password") + shore.toml("missing.password").replace('"office"', '"other"')
    with SyncProcess(tmp_path / "argo", toml=toml) as argo:
        (argo.folder / "office.password").write_text("wrong\n")
        argo.start()
        found = argo.until(
            lambda found: (
                state_of(found, "office")["state"] == "refused"
                and state_of(found, "other")["state"] == "refused"
            )
        )
        assert "password or session is wrong" in state_of(found, "office")["problem"]
        assert "missing.password: No such file" in state_of(found, "other")["problem"]
        assert "secret" not in json.dumps(found)
        status = argo.logboat("status")
        assert "office REFUSED" in status.stdout
        assert argo.stop() == 0


# The rights of an office


def objection(database: Database, found: Document) -> str | None:
    return office_rule("argo", database, log_now=lambda: None, trust=lambda: None)(found)


def test_office_writes_notes_and_its_own_types_and_nothing_of_the_log(tmp_path: Path) -> None:
    with builders.store(tmp_path / "log.db") as database:
        assert objection(database, document(NOTE)) is None
        assert objection(database, document("sensorconfig:argo", {"type": "sensorconfig"})) is None
        for refused in (
            "reading:argo:main:qwerty:000000000001",
            "equipment:argo:main",
            "boot:argo:qwerty:1",
            "forwarded:office:argo",
            "fleet:revocations",
            "gap:argo:main:qwerty:000000000001",
        ):
            assert objection(database, document(refused)) is not None, refused


# Routes


def test_uplink_is_named_by_its_interface_alias_and_type(tmp_path: Path) -> None:
    folder = tmp_path / "eth1"
    folder.mkdir()
    (folder / "ifalias").write_text("satellite\n")
    (folder / "uevent").write_text("INTERFACE=eth1\nIFINDEX=3\n")
    assert egress_interface.interface_names("eth1", tmp_path) == {"eth1", "satellite", "ethernet"}
    (folder / "uevent").write_text("DEVTYPE=wwan\nINTERFACE=eth1\n")
    assert egress_interface.interface_names("eth1", tmp_path) == {"eth1", "satellite", "cellular"}
    assert egress_interface.interface_names("lo", tmp_path) == {"lo", "ethernet"}


def test_uplink_is_that_of_the_kernels_routes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loopback = Interface("lo", 1, 0, (ipaddress.IPv4Interface("127.0.0.1/8"),))
    found = egress_interface.egress_interface_names(
        "127.0.0.1", 4984, interfaces=lambda: (loopback,), sys=tmp_path
    )
    assert found == frozenset({"lo", "ethernet"})

    def nobody(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nobody)
    assert (
        egress_interface.egress_interface_names("nowhere", 4984, interfaces=lambda: (loopback,), sys=tmp_path)
        is None
    )
