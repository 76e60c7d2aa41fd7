"""A daemon imports few modules when it starts, and reports its progress to systemd on a slow board."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest

from services.system.systemd import MORE_S, ImportProgress, Notifier
from services.system.version import VERSION

HEAVY = {
    "asyncio",
    "cryptography",
    "email",
    "gpiozero",
    "importlib.metadata",
    "importlib.resources",
    "websockets",
    "zeroconf",
    "zoneinfo",
}
"""Modules that each take longer to import on a slow board than the Python interpreter takes to start."""


@contextmanager
def systemd(folder: Path) -> Iterator[socket.socket]:
    """Yield a notification socket on which the test receives messages in place of systemd."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(folder / "notify"))
        listener.setblocking(False)
        yield listener


def heard(listener: socket.socket) -> list[str]:
    found = []
    while True:
        try:
            found.append(listener.recv(4096).decode())
        except BlockingIOError:
            return found


@pytest.mark.parametrize(
    ("modules", "also"),
    [
        ("services.recorder.daemon", {"sync.blip"}),
        ("services.boot.run, services.boot.system", {"apsw", "sync.store", "sync.peer"}),
        ("services.recovery.store_check", {"sensors.kind", "sensors.registry"}),
        ("services.lights.daemon", {"apsw", "sync.store", "sync.peer"}),
    ],
)
def test_start_imports_no_heavy_modules_that_only_some_vessels_need(modules: str, also: set[str]) -> None:
    program = f"import sys, services.cli.main, {modules}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    before = subprocess.run(
        [sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split()) - set(before.stdout.split())
    assert loaded.isdisjoint(HEAVY | also)


def test_check_of_the_stores_requests_time_from_systemd(tmp_path: Path) -> None:
    with systemd(tmp_path) as listener:
        (tmp_path / "data").mkdir()
        command = [sys.executable, "-m", "services", "store", "check", "--repair"]
        subprocess.run(
            [*command, "--data", str(tmp_path / "data")],
            env=os.environ | {"NOTIFY_SOCKET": str(tmp_path / "notify")},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        assert heard(listener)[0] == f"EXTEND_TIMEOUT_USEC={MORE_S * 1e6:.0f}"


def test_start_requests_more_time_only_while_it_makes_progress(tmp_path: Path) -> None:
    now = [100.0]
    with systemd(tmp_path) as listener:
        loading = ImportProgress(Notifier(str(tmp_path / "notify"), monotonic=lambda: now[0]))
        asked = 0
        for _ in range(100):
            now[0] += 1.0
            loading.find_spec("a.module")
            asked += len(heard(listener))
        assert 15 <= asked <= 25
        now[0] += 1_000.0
        assert heard(listener) == []


def test_nothing_is_sent_without_systemd(tmp_path: Path) -> None:
    Notifier("").progress()
    Notifier(str(tmp_path / "nobody")).progress()


def test_version_is_that_of_the_package() -> None:
    assert version("logboat") == VERSION
