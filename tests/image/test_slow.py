"""A boot succeeds in a slow virtual machine with one core and 512 MiB of memory, on a busy host."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioning.image.wheels import SITE
from tests.image.guest import Guest, GuestError
from tests.image.slow import NANOSECONDS, PATIENT_S, cost, first_reading, slow_guest, units, wait_until_up

pytestmark = [pytest.mark.image, pytest.mark.timeout(3 * PATIENT_S)]

MOST = 370
"""Limit for the processor time until the first durable reading, as a multiple of that of `python3 -c pass`.

Most of this time is used before Logboat's units start.
"""
RUNNING = ("boot", "networks", "recorder", "sync", "lights")


@pytest.fixture(scope="module")
def slow(image: Path, key: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guest]:
    """Yield a slow virtual machine that has booted while two processes keep the host busy."""
    with slow_guest(image, tmp_path_factory.mktemp("slow"), key, busy=2) as guest:
        first_reading(guest)
        wait_until_up(guest)
        yield guest


def test_all_units_run_without_failures_or_restarts(slow: Guest) -> None:
    found = units(slow)
    assert slow.run("systemctl --failed --no-legend --plain", seconds=300) == ""
    for name in RUNNING:
        unit = found[f"logboat-{name}.service"]
        assert (unit["ActiveState"], unit["Result"], unit["NRestarts"]) == ("active", "success", "0"), name
    assert slow.run("ls /run/logboat/ended-* 2>/dev/null", check=False) == ""


def test_recording_continues(slow: Guest) -> None:

    def samples() -> int:
        told = json.loads(slow.run("logboat status --json", seconds=600))
        return int(told["recorder"]["lastDurable"]["samples"])

    before = samples()
    slow.wait_for("more samples", lambda: samples() > before + 3, seconds=PATIENT_S)


def test_start_that_reports_progress_may_exceed_its_limit(slow: Guest) -> None:
    start(
        slow,
        "patient",
        "import time\nfrom services.system.systemd import Notifier\ntold = Notifier()\n"
        "for _ in range(3):\n    told.progress()\n    time.sleep(10)",
    )
    assert slow.run("systemctl show -p Result --value test-patient", seconds=300) == "success"


def test_start_that_hangs_is_ended_and_reported(slow: Guest) -> None:
    with pytest.raises(GuestError):
        start(slow, "hanging", "import time\ntime.sleep(3600)")
    assert slow.run("systemctl show -p Result --value test-hanging", seconds=300) == "timeout"
    words = "logboat-store has stopped: did not start or stop in time"
    assert words in slow.run("cat /var/lib/logboat/errors.log", seconds=300)
    slow.root("systemctl reset-failed test-hanging; rm /run/logboat/ended-store", seconds=300)


def start(guest: Guest, name: str, program: str) -> None:
    """Run a program in a unit like Logboat's, with a start timeout shorter than the program's duration."""
    unit = f"""[Service]
Type=oneshot
NotifyAccess=main
Environment=PYTHONPATH=/{SITE}
ExecStart=/usr/bin/python3 /run/test-{name}.py
ExecStopPost=-/usr/lib/logboat/ended store
TimeoutStartSec=15s
"""
    for path, text in ((f"test-{name}.py", program), (f"systemd/system/test-{name}.service", unit)):
        guest.root(f"cat > /run/{path} <<'END'\n{text}\nEND", seconds=600)
    guest.root(f"systemctl daemon-reload && systemctl start test-{name}", seconds=600)


def test_start_is_cheap_enough_for_a_slow_board(image: Path, key: Path, tmp_path: Path) -> None:
    """The processor time of a boot is printed, and must not exceed a limit.

    Before optimisation, a boot took 507 times as much processor time as `python3 -c pass`.
    """
    with slow_guest(image, tmp_path, key, nanoseconds=NANOSECONDS) as guest:
        measured = first_reading(guest)
        wait_until_up(guest)
        assert guest.run("systemctl --failed --no-legend --plain", seconds=300) == ""
        found = cost(guest, measured)
    print(found)
    assert found.multiple < MOST
