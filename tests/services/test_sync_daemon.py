"""The sync daemon runs as a process, applies changes to its files, and states the reason when it exits."""

import asyncio
import json
import secrets
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from services.config.model import Configuration, ListenerSection, VesselSection
from services.recovery import store_check
from services.state import state_file
from services.syncd.daemon import SyncDaemon, SyncPaths
from services.system.systemd import Notifier
from sync import documents
from sync.documents import REVOCATIONS
from sync.store import Database
from tests.polling import PATIENCE_S, until

from . import documents as build
from .syncing import Fleet, SyncProcess


@pytest.fixture
def fleet() -> Fleet:
    return Fleet()


@pytest.fixture
def argo(tmp_path: Path) -> Iterator[SyncProcess]:
    with SyncProcess(tmp_path / "argo") as process:
        yield process


class TestStart:
    def test_wrong_configuration_gives_exit_status_2_and_its_line(self, argo: SyncProcess) -> None:
        argo.config.write_text("[mesh]\nrole = 'king'\n")
        argo.start()
        assert argo.wait() == 2
        assert 'logboat.toml:2: [mesh], role: "king"' in argo.log

    def test_user_with_an_invalid_hash_is_a_wrong_configuration(self, argo: SyncProcess) -> None:
        argo.config.write_text("[[user]]\nname = 'bridge'\npassword_hash = 'secret'\n")
        argo.start()
        assert argo.wait() == 2
        assert "logboat.toml:3: " in argo.log
        assert "secret" not in argo.log

    def test_last_good_configuration_remains_in_force_after_a_mistake(
        self, argo: SyncProcess, fleet: Fleet
    ) -> None:
        fleet.identity(argo.identity)
        argo.start()
        argo.until(lambda state: state.get("port"))
        assert argo.stop() == 0
        argo.config.write_text("[mesh]\nrole = 'king'\n")
        argo.start()
        found = argo.until(lambda state: state.get("port"))
        assert found["port"] == argo.port
        assert "king" in found["problems"][0]

    def test_port_in_use_is_reported_with_advice(self, argo: SyncProcess, fleet: Fleet) -> None:
        fleet.identity(argo.identity)
        with socket.create_server(("127.0.0.1", argo.port)):
            argo.start()
            assert argo.wait() == 1
        assert f"port {argo.port}" in argo.log
        assert str(argo.port) in argo.state()["fault"]
        done = argo.logboat("peers")
        assert done.returncode == 1
        assert "the sync daemon is not running" in done.stderr
        assert str(argo.port) in done.stderr

    def test_data_folder_that_cannot_be_created_is_reported_in_one_line(self, argo: SyncProcess) -> None:
        (argo.folder / "data").write_text("a file")
        argo.start()
        assert argo.wait() == 1
        assert str(argo.folder / "data") in argo.log


def test_daemon_waits_for_an_identity_and_starts_without_a_store(argo: SyncProcess, fleet: Fleet) -> None:
    argo.start()
    found = argo.until(lambda state: state["fault"])
    assert found["waitsForIdentity"]
    assert "logboat fleet add" in argo.logboat("peers").stderr

    fleet.identity(argo.identity)
    key = (argo.identity / "vessel.key").read_bytes()
    fleet.identity(argo.identity, "brigid")
    (argo.identity / "vessel.key").write_bytes(key)
    argo.send(signal.SIGHUP)
    found = argo.until(lambda state: state["fault"] and not state["waitsForIdentity"])
    assert "vessel.key" in found["fault"]

    made = fleet.identity(argo.identity)
    argo.send(signal.SIGHUP)
    found = argo.until(lambda state: state.get("port"))
    assert (found["vessel"], found["fleet"], found["fault"]) == ("argo", fleet.name, None)
    assert found["fingerprint"] == made.fingerprint
    assert argo.logboat("peers").returncode == 0
    assert argo.stop() == 0
    assert not state_file.path(argo.folder / "run", "sync").exists()


def test_files_copied_while_the_daemon_runs_take_effect(argo: SyncProcess, fleet: Fleet) -> None:
    first = fleet.identity(argo.identity)
    argo.start()
    assert argo.until(lambda state: state.get("port"))["fingerprint"] == first.fingerprint

    # with an incomplete new identity, the daemon continues and reports this
    (argo.identity / "vessel.key").write_bytes(fleet.ca.issue("argo").key_pem())
    argo.send(signal.SIGHUP)
    found = argo.until(lambda state: state["problems"])
    assert "so the previous one stays in use" in found["problems"][0]
    assert found["fingerprint"] == first.fingerprint

    second = fleet.identity(argo.identity, number=2)  # without a signal, because the daemon polls the folder
    found = argo.until(lambda state: state.get("fingerprint") == second.fingerprint)
    assert found["problems"] == []

    fleet.revoke(argo.identity, first, number=3)

    def number() -> int:
        with Database.open(argo.folder / "data" / "log.db", policy=documents.POLICY) as store:
            said = store.get(REVOCATIONS)
            return 0 if said is None else int(said.body["number"])

    argo.until(lambda state: state.get("port") and number() == 3)
    assert argo.stop() == 0


def test_damage_found_while_running_ends_the_daemon_and_the_next_check_repairs_it(
    argo: SyncProcess, fleet: Fleet
) -> None:
    fleet.identity(argo.identity)
    argo.start()
    argo.until(lambda state: state.get("port"))
    connection = apsw.Connection(str(argo.folder / "data" / "log.db"))
    connection.set_busy_timeout(10_000)
    connection.execute("UPDATE docs SET crc = crc + 1 WHERE id = ?", (REVOCATIONS,))
    connection.close()
    assert argo.wait() == 1
    assert store_check.is_marked(argo.folder / "data")
    assert REVOCATIONS in argo.state()["fault"]

    done = argo.logboat("store", "check", "--repair")
    assert done.returncode == 0, done.stdout + done.stderr
    argo.start()
    argo.until(lambda state: state.get("port"))
    assert argo.stop() == 0


def test_damage_found_by_another_daemon_ends_the_sync_daemon_too(argo: SyncProcess, fleet: Fleet) -> None:
    fleet.identity(argo.identity)
    argo.start()
    argo.until(lambda state: state.get("port"))
    store_check.mark_damaged(argo.folder / "data", "a page did not match")
    assert argo.wait() == 1
    assert "another process has found damage in a store" in argo.state()["fault"]


def test_departed_vessel_is_not_nearby_and_its_route_remains_known(
    argo: SyncProcess, fleet: Fleet, tmp_path: Path
) -> None:
    # Other tests announce a vessel "brigid" on this machine, too. Their announcement of the same mDNS name
    # can follow this vessel's goodbye, and argo would then consider the vessel nearby.
    name = f"brigid-{secrets.token_hex(4)}"
    fleet.identity(argo.identity)
    with SyncProcess(tmp_path / "brigid", vessel=name) as brigid:
        fleet.identity(brigid.identity, name)
        theirs = brigid.folder / "data" / "log.db"
        build.store(theirs, build.vessel(name), build.equipment(vessel=name))
        for process in (argo, brigid):
            process.start()
        found = argo.until(lambda state: state.get("routes"))
        assert found["routes"][name]["path"] == [name]
        assert "argo (fleet" in argo.logboat("peers").stdout
        there = brigid.until(lambda state: [peer["state"] for peer in state["peers"]] == ["linked"])["peers"][
            0
        ]
        assert (there["vessel"], there["dialled"]) == ("argo", False)  # the vessel with the smaller id dials
        build.store(theirs, build.equipment(31.0, sequence=2, vessel=name))
        found = argo.until(lambda state: state["routes"][name]["utc"] > found["routes"][name]["utc"])
        assert brigid.stop() == 0
    # A busy machine can lose the goodbye packets. The records then expire after two minutes.
    argo.until(lambda state: not state["peers"], within=150.0)
    vessels = json.loads(argo.logboat("peers", "--json").stdout)["vessels"]
    assert [(each["vessel"], each["state"]) for each in vessels] == [(name, "not near")]
    assert argo.stop() == 0
    argo.start()
    after = argo.until(lambda state: state.get("port"))
    assert after["routes"] == found["routes"]
    assert argo.stop() == 0


class Heard(Notifier):
    """Notifier that records the messages to systemd."""

    def __init__(self) -> None:
        super().__init__("")
        self.words: list[str] = []

    def _send(self, text: str) -> None:
        self.words.append(text)

    @property
    def fed(self) -> int:
        return self.words.count("WATCHDOG=1")


def test_watchdog_is_notified_only_by_the_meshs_manager(
    tmp_path: Path, fleet: Fleet, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """If the mesh's manager stalls, watchdog notifications stop, although the daemon writes its state."""
    fleet.identity(tmp_path / "identity")
    heard = Heard()

    def broken() -> float:
        raise RuntimeError("a fault of ours")

    async def live() -> None:
        daemon = SyncDaemon(
            places=SyncPaths(
                tmp_path / "logboat.toml",
                tmp_path / "sensors.toml",
                tmp_path / "data",
                tmp_path / "run",
                tmp_path / "identity",
            ),
            configuration=Configuration(
                vessel=VesselSection(id="argo"), listener=ListenerSection(0, ("lo",))
            ),
            notifier=heard,
        )
        running = asyncio.create_task(daemon.run())
        await until(lambda: heard.fed >= 2, "the watchdog is fed")
        assert heard.words[0] == "READY=1"
        assert daemon.mesh is not None
        monkeypatch.setattr(daemon.mesh, "_reconsider", broken)
        await until(lambda: "the mesh has stopped" in caplog.text, "it is said")
        clock = told(tmp_path)
        await until(lambda: told(tmp_path) > clock + 1, "it goes on telling its state")
        fed = heard.fed
        await until(lambda: told(tmp_path) > clock + 3, "it still does")
        assert heard.fed == fed
        monkeypatch.undo()  # the cause of the error has been removed
        await until(lambda: heard.fed > fed, "the watchdog is fed again")
        daemon.stop()
        assert await running == 0
        assert heard.words[-1] == "STOPPING=1"

    asyncio.run(live())
    assert "the mesh has stopped" in caplog.text


def told(folder: Path) -> float:
    state = state_file.read(state_file.path(folder / "run", "sync"))
    assert state is not None
    return float(state["updated"]["clock"])


def test_systemd_is_notified_of_start_and_stop(argo: SyncProcess, fleet: Fleet, tmp_path: Path) -> None:
    fleet.identity(argo.identity)
    words: list[str] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        argo.start(notify=tmp_path / "notify")
        while "WATCHDOG=1" not in words:
            words.append(systemd.recv(4096).decode())
        stopping = threading.Thread(target=argo.stop)
        stopping.start()
        while words[-1] != "STOPPING=1":
            words.append(systemd.recv(4096).decode())
        stopping.join()
    assert words[0].startswith("EXTEND_TIMEOUT_USEC="), "while it loads, it asks for time"
    assert next(word for word in words if not word.startswith("EXTEND_TIMEOUT_USEC=")) == "READY=1"
    assert f"STATUS=vessel argo, fleet {fleet.name}: linked to 0 of 0 vessels" in words
