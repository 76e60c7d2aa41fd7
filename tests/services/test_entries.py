"""Users log in to a vessel's sync daemon, a real process, over TLS and from different loopback addresses."""

import base64
import http.client
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests import processes
from tests.polling import wait_until

from . import documents as build
from .syncing import Fleet, SyncProcess
from .test_crew import PASSWORD, user

HOME = "127.0.0.1"
STRANGERS = [f"127.0.1.{number}" for number in range(1, 7)]


@pytest.fixture
def argo(tmp_path: Path) -> Iterator[SyncProcess]:
    with SyncProcess(tmp_path, toml=user("anna") + user("bo")) as argo:
        Fleet().identity(argo.identity)
        build.store(tmp_path / "data" / "log.db", build.vessel())
        begin(argo)
        yield argo


def begin(argo: SyncProcess) -> None:
    argo.start()
    argo.until(lambda state: state.get("port"))


def ask(argo: SyncProcess, address: str, password: str, name: str = "anna") -> int:
    """Log in as this user from the given loopback address, and return the HTTP status."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection(
        "127.0.0.1", argo.port, source_address=(address, 0), context=context, timeout=30
    )
    try:
        credentials = base64.b64encode(f"{name}:{password}".encode()).decode()
        connection.request("GET", "/log", headers={"Authorization": f"Basic {credentials}"})
        return connection.getresponse().status
    finally:
        connection.close()


def test_wrong_passwords_from_six_addresses_do_not_lock_out_a_known_user(argo: SyncProcess) -> None:
    """The daemon still knows the addresses of the user's earlier logins after a restart."""
    assert ask(argo, HOME, PASSWORD) == 200
    assert argo.stop() == 0
    begin(argo)
    tried = [ask(argo, address, "wrong") for address in STRANGERS for _ in range(10)]
    assert set(tried) == {401, 429}
    assert tried.count(401) == 50, "as many as one user may be guessed at"
    assert ask(argo, "127.0.1.99", PASSWORD) == 429, "others wait"
    assert ask(argo, HOME, PASSWORD) == 200
    assert ask(argo, HOME, PASSWORD) == 200
    assert [ask(argo, HOME, "wrong") for _ in range(12)].count(401) == 10, "and are limited there, too"


@contextmanager
def staying(argo: SyncProcess, store: Path, name: str) -> Iterator[None]:
    """Keep a connection open as this user, as an app does, for the duration of the block."""
    (argo.folder / "password").write_text(PASSWORD + "\n")
    before = argo.log.count(f"as user {name}")
    process = processes.Popen(
        [
            *(sys.executable, "-m", "services", "db", "sync", str(store), f"wss://127.0.0.1:{argo.port}/log"),
            *("--user", name, "--password-file", str(argo.folder / "password"), "--continuous"),
            *("--pin", argo.state()["fingerprint"]),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: argo.log.count(f"as user {name}") > before, f"{name} is connected")
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.parametrize("change", ["removed", "another password", "may read only"])
def test_changed_user_is_disconnected_at_once(argo: SyncProcess, tmp_path: Path, change: str) -> None:
    changed = {
        "removed": "",
        "another password": user("anna"),  # another salt gives another hash
        "may read only": user("anna", "access = 'read-only'"),
    }
    text = argo.config.read_text()
    start, bo = text.index("[[user]]\nname = 'anna'"), text.index("[[user]]\nname = 'bo'")
    with staying(argo, tmp_path / "anna.db", "anna"), staying(argo, tmp_path / "bo.db", "bo"):
        argo.config.write_text(text[:start] + changed[change] + text[bo:])
        wait_until(lambda: "anna at " in argo.log, "anna is sent away")
        assert "the rights of user anna have changed; connect again" in argo.log
        assert "bo at " not in argo.log
        assert ask(argo, HOME, PASSWORD, "bo") == 200
        assert ask(argo, HOME, PASSWORD) == (401 if change == "removed" else 200)


def test_invalid_or_empty_configuration_disconnects_nobody(argo: SyncProcess, tmp_path: Path) -> None:
    text = argo.config.read_text()
    with staying(argo, tmp_path / "anna.db", "anna"):
        argo.config.write_text(text.replace("password_hash", "password_hush"))
        wait_until(lambda: "the list of users was not changed" in argo.log, "it is told")
        argo.config.write_text("")
        argo.config.write_text(text)
        assert ask(argo, HOME, PASSWORD) == 200
        assert "anna at " not in argo.log
