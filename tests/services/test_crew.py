"""Users in `logboat.toml` replicate with a vessel's sync daemon by password over TLS, like a crew's apps."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.console.stores import open_store
from sync.fleet import users

from . import documents as build
from .syncing import Fleet, SyncProcess

NOTE = "note:argo:01J00000000000000000000000"
SERVICE = "service:argo:01J00000000000000000000000"
PASSWORD = "correct horse"


def user(name: str, *more: str) -> str:
    stored = users.make_hash(PASSWORD, os.urandom(16))
    return "\n".join([f"[[user]]\nname = '{name}'\npassword_hash = '{stored}'", *more, ""])


@pytest.fixture(scope="module")
def argo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncProcess]:
    """Yield the vessel argo, which has an alarm, a reading and three users."""
    folder = tmp_path_factory.mktemp("argo")
    toml = user("bridge") + user("guest", "access = 'read-only'", "channels = ['alarms']")
    fleet = Fleet()
    with SyncProcess(folder, toml=toml) as argo:
        identity = fleet.identity(argo.identity)
        build.store(folder / "data" / "log.db", build.vessel(), build.reading(1), build.alarm())
        (folder / "password").write_text(PASSWORD + "\n")
        argo.start()
        assert argo.until(lambda state: state.get("port"))["fingerprint"] == identity.fingerprint
        yield argo
        assert argo.stop() == 0


def sync(argo: SyncProcess, store: Path, name: str, *more: str, password: str = "password") -> str:
    """Replicate once as this user, and return the exit status and the output."""
    done = argo.logboat(
        *("db", "sync", str(store), f"wss://127.0.0.1:{argo.port}/log", "--user", name),
        *("--password-file", str(argo.folder / password), "--attempts", "1"),
        *(more or ("--pin", argo.state()["fingerprint"])),
        places=False,
    )
    assert "Traceback" not in done.stderr
    return f"{done.returncode}\n{done.stdout}{done.stderr}"


def content(store: Path) -> set[str]:
    with open_store(store) as database:
        return {document.id for document in database.documents()}


def write_note(store: Path) -> None:
    body = {"type": "note", "vessel": "argo", "channels": ["notes", "vessel.argo"], "text": "oil changed"}
    build.store(store, (NOTE, body))


def test_user_reads_and_writes_what_the_crew_may(argo: SyncProcess, tmp_path: Path) -> None:
    write_note(tmp_path / "app.db")
    said = sync(argo, tmp_path / "app.db", "bridge")
    assert said.startswith("0\npushed 1 document"), said
    ids = content(tmp_path / "app.db")
    assert {document_id.partition(":")[0] for document_id in ids} == {
        *("alarm", "fleet", "note", "reading", "vessel")
    }
    assert NOTE in content(argo.folder / "data" / "log.db")


def test_user_records_service_but_cannot_change_a_record(argo: SyncProcess, tmp_path: Path) -> None:
    own = argo.folder / "data" / "log.db"
    body = {"type": "service", "vessel": "argo", "channels": ["notes", "vessel.argo"], "service": "oil"}
    build.store(tmp_path / "app.db", (SERVICE, body))
    assert sync(argo, tmp_path / "app.db", "bridge").startswith("0\n")
    assert SERVICE in content(own)
    with open_store(tmp_path / "app.db") as database:
        stored = database.get(SERVICE)
        assert stored is not None
        database.put(SERVICE, body | {"runSeconds": 9e9}, parent=stored.rev)
    assert "service records cannot be changed" in sync(argo, tmp_path / "app.db", "bridge")
    with open_store(own) as database:
        kept = database.get(SERVICE)
        assert kept is not None
        assert "runSeconds" not in kept.body


def test_user_may_not_write_as_the_vessel(argo: SyncProcess, tmp_path: Path) -> None:
    document_id, body = build.equipment(99.0)
    build.store(tmp_path / "app.db", (document_id, body))
    said = sync(argo, tmp_path / "app.db", "bridge")
    assert said.startswith("1\n"), said
    assert document_id in said
    assert document_id not in content(argo.folder / "data" / "log.db")


def test_read_only_user_limited_to_channels_gets_only_these_and_sends_nothing(
    argo: SyncProcess, tmp_path: Path
) -> None:
    build.store(tmp_path / "app.db", ("note:argo:01J00000000000000000000001", {"type": "note"}))
    said = sync(argo, tmp_path / "app.db", "guest")
    assert said.startswith("1\n"), said
    ids = content(tmp_path / "app.db")
    assert {document_id.partition(":")[0] for document_id in ids} == {"alarm", "note"}
    assert "note:argo:01J00000000000000000000001" not in content(argo.folder / "data" / "log.db")


def test_wrong_password_and_unknown_user_are_refused_identically(argo: SyncProcess, tmp_path: Path) -> None:
    (argo.folder / "wrong").write_text("battery staple")
    wrong = sync(argo, tmp_path / "app.db", "bridge", password="wrong")
    stranger = sync(argo, tmp_path / "app.db", "nobody")
    assert wrong.startswith("1\n")
    assert "401" in wrong
    assert wrong == stranger


def test_fleets_ca_does_not_authenticate_a_vessel_by_address(argo: SyncProcess, tmp_path: Path) -> None:
    """The certificate is for logboat-argo.local, so a client that uses the address must pin a fingerprint."""
    said = sync(argo, tmp_path / "app.db", "bridge", "--ca", str(argo.identity / "fleet.pem"))
    assert said.startswith("1\n")
    assert "127.0.0.1" in said
    assert content(tmp_path / "app.db") == set()


def test_connected_users_are_shown(argo: SyncProcess, tmp_path: Path) -> None:
    app = subprocess.Popen(
        [
            *(sys.executable, "-m", "services", "db", "pull", str(tmp_path / "app.db"), "--continuous"),
            *(f"wss://127.0.0.1:{argo.port}/log", "--pin", argo.state()["fingerprint"]),
            *("--user", "guest", "--password-file", str(argo.folder / "password")),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        argo.until(lambda state: state["crew"])
        assert "crew: guest (127.0.0.1:" in argo.logboat("peers").stdout
    finally:
        app.terminate()
        app.wait()
    argo.until(lambda state: not state["crew"])
