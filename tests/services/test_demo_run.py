"""`logboat demo` runs to its end, with real recorders and sync daemons, and with mDNS and TLS on loopback."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import main
from services.demo import command
from services.demo.fleet import Fleet
from services.demo.scenario import ScenarioEvents

pytestmark = pytest.mark.wall_clock


def test_demo_loses_nothing_and_names_a_reading_that_was_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stores are verified twice, the second time after a reading was removed from one of them."""
    proved, removed = [], []
    prove = command.conclude

    def twice(made: Fleet, voyage: ScenarioEvents) -> int:
        proved.append(prove(made, voyage))
        _, brigid = made
        with brigid.reading() as database:
            victim = next(iter(database.documents(prefix="reading:argo:house-voltage:")))
            removed.append((victim.id, victim.body["first"], victim.body["last"]))
            assert database.purge([victim.id]) == 1
        return prove(made, voyage)

    monkeypatch.setattr(command, "conclude", twice)
    status = main(["demo", "--vessels", "2", "--for", "10", "--keep", str(tmp_path / "kept")])

    said = capsys.readouterr()
    assert said.err == ""
    assert proved == [0], said.out
    course, good, bad = said.out.split("\nsummary\n")
    assert "brigid's network is off" in course
    assert re.search(r"brigid's network is back: it has [1-9]\d* new documents?, and missed [1-9]", course)
    assert "brigid has caught up" in course
    assert good.endswith("\n  nothing is missing\n")
    assert re.search(
        r"shore +(\d+) of \1 documents in the office .*; ([1-9]\d*) of \2 by MQTT, 0 duplicated", good
    )
    assert "all 2 are identical: ids, revisions, bodies" in good
    assert re.search(r"reported durable +(\d+), of which in every store: \1\n", good)
    assert re.search(r"gaps +0\n +repeats +0\n", good)
    for path in ("batteries.1.voltage", "batteries.1.current", "navigation.speedThroughWater"):
        assert re.search(rf"{path}: (\d+) of \1 readings, all equal, in 2 stores", good)

    assert status == 1
    ((document, first, last),) = removed
    assert "SOMETHING IS MISSING OR WRONG" in bad
    assert f"{document} is not in the store of brigid" in bad
    assert (
        "in the store of brigid: reported durable, but missing: argo's house-voltage "
        f"{document.split(':')[3]} {first} to {last} ({last - first + 1} samples)"
    ) in bad
    assert "in the store of brigid: argo's house-voltage differs from the recording" in bad
    assert "in the store of argo" not in bad


@pytest.mark.torture
def test_without_mdns_addresses_are_configured() -> None:
    """The demo runs in its own network namespace, in which another program has exclusive use of port 5353."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-rn", "true"], check=False).returncode:
        pytest.skip("needs unshare, and leave for network namespaces")
    script = (
        "import socket, subprocess, sys\n"
        "subprocess.run(['ip', 'link', 'set', 'lo', 'up'], check=True)\n"
        "taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
        "taken.bind(('', 5353))\n"
        "sys.exit(subprocess.run([sys.executable, '-m', 'services', 'demo', '--vessels', '2', '--for', '10'])"
        ".returncode)\n"
    )
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (
        "USING CONFIGURED ADDRESSES, no mDNS on loopback: argo: port 5353 for mDNS cannot be opened"
        in done.stdout
    )
    assert "nothing is missing" in done.stdout
