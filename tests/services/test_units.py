"""The systemd units are valid and sufficiently sandboxed."""

import os
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

from services.state import crash_loops
from services.system.systemd import MORE_S

UNITS = Path(str(files("services") / "units"))
MOST_EXPOSED = 20
"""Largest exposure, in tenths, on the scale of `systemd-analyze security`, where up to 2.0 is OK or SAFE."""
ALL = sorted(UNITS.glob("*.service"))
OF_ROOT = ("logboat-boot.service", "logboat-networks.service")
RADIO = "logboat-radio.service"


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which("systemd-analyze") is None:
        if os.environ.get("CI"):
            pytest.fail("systemd-analyze is missing: install Debian's systemd")
        pytest.skip("systemd-analyze is not here (Debian's package systemd)")
    return subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_unit_is_confined(unit: Path) -> None:
    done = analyze("security", "--offline=true", f"--threshold={MOST_EXPOSED}", "--no-pager", str(unit))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_unit_is_valid_for_systemd(unit: Path, tmp_path: Path) -> None:
    for file in UNITS.glob("*.service"):
        text = file.read_text()
        for program in ("/usr/bin/logboat", "/usr/sbin/wpa_supplicant", "/usr/lib/logboat/ended"):
            text = text.replace(program, "/bin/true")
        (tmp_path / file.name).write_text(text)
    done = analyze("verify", "--man=no", str(tmp_path / unit.name))
    # keys that systemd 254 introduced; the card has 257, and a build machine with Debian 12 has 252
    newer = ("RestartSteps", "RestartMaxDelaySec")
    said = [line for line in done.stderr.splitlines() if not any(key in line for key in newer)]
    assert [line for line in said if unit.name in line] == []


def test_recorder_has_no_network_and_only_the_devices_of_the_header() -> None:
    text = (UNITS / "logboat-recorder.service").read_text()
    assert "PrivateNetwork=yes" in text
    assert "DevicePolicy=closed" in text
    allowed = {line.split("=")[1].split()[0] for line in text.splitlines() if line.startswith("DeviceAllow=")}
    assert allowed == {"char-gpiochip", "char-i2c", "char-spidev"}


def values(unit: str, key: str) -> list[str]:
    lines = (UNITS / unit).read_text().splitlines()
    return [line.partition("=")[2] for line in lines if line.startswith(f"{key}=")]


def test_sync_has_the_network_and_no_device() -> None:
    unit = "logboat-sync.service"
    assert values(unit, "PrivateDevices") == ["yes"]
    assert values(unit, "DeviceAllow") == []
    assert values(unit, "SupplementaryGroups") == []
    assert values(unit, "PrivateNetwork") == []
    [families] = values(unit, "RestrictAddressFamilies")
    assert set(families.split()) == {"AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"}


def test_memory_limit_of_sync_is_well_above_its_usage() -> None:
    """The daemon's memory under attack is measured in `tests/attacks`."""
    unit, most = "logboat-sync.service", 120
    high, top = (int(values(unit, key)[0].removesuffix("M")) for key in ("MemoryHigh", "MemoryMax"))
    assert 1.5 * most <= high < top <= 256


def test_service_that_reads_a_foreign_card_has_no_network() -> None:
    assert values("logboat-boot.service", "PrivateNetwork") == ["yes"]
    assert values("logboat-boot.service", "RestrictAddressFamilies") == ["AF_UNIX"]


def test_sync_starts_after_the_check_of_the_stores() -> None:
    """The recorder checks the stores while it starts; see `test_command_recorder`."""
    unit, check = "logboat-sync.service", "logboat-store.service"
    assert check in values(unit, "Wants")[0].split()
    assert {check, "logboat-recorder.service"} <= set(values(unit, "After")[0].split())
    assert values(check, "After") == ["logboat-recorder.service"]
    assert values(check, "Before") == [unit]
    assert values(check, "ConditionPathExists") == [
        "|!/run/logboat/recorder.json",
        "|/var/lib/logboat/damaged",
    ]
    assert check not in " ".join(values("logboat-recorder.service", "Wants"))


@pytest.mark.parametrize("unit", ["logboat-recorder.service", "logboat-sync.service"])
def test_daemon_is_restarted_indefinitely(unit: str) -> None:
    assert values(unit, "Restart") == ["always"]
    assert values(unit, "StartLimitIntervalSec") == ["0"]
    assert values(unit, "Type") == ["notify"]
    assert int(values(unit, "WatchdogSec")[0]) >= 30


def test_killed_lights_daemon_turns_lights_and_outputs_off() -> None:
    """Test only the unit; `tests.services.outputs.test_driving` tests the command `lights off`."""
    after = values("logboat-lights.service", "ExecStopPost")
    assert any(
        "$$SERVICE_RESULT" in command and "/usr/bin/logboat lights off" in command for command in after
    )


def test_recording_has_priority_when_the_machine_starts() -> None:
    assert "logboat-recorder.service" in values("logboat-sync.service", "After")[0].split()
    nice = {
        unit: int(values(f"logboat-{unit}.service", "Nice")[0]) for unit in ("recorder", "sync", "lights")
    }
    assert nice["recorder"] < 0 < nice["sync"] == nice["lights"]
    # Between services, the CPU weight decides, whose default is 100; niceness counts only within a service.
    weight = {unit: int(values(f"logboat-{unit}.service", "CPUWeight")[0]) for unit in nice}
    assert weight["recorder"] > 100 > weight["sync"] == weight["lights"]


def test_folders_that_daemons_share_are_created_identically() -> None:
    units = [unit.name for unit in ALL if values(unit.name, "User")]
    for key in (
        "User",
        "Group",
        "UMask",
        "StateDirectory",
        "StateDirectoryMode",
        "RuntimeDirectory",
        "RuntimeDirectoryMode",
        "RuntimeDirectoryPreserve",
    ):
        assert len({tuple(values(unit, key)) for unit in units}) == 1, key


@pytest.mark.parametrize("unit", ["logboat-boot.service"])
def test_services_of_root_run_before_recording_and_have_a_time_limit(
    unit: str,
) -> None:
    before = " ".join(values(unit, "Before")).split()
    assert {"logboat-store.service", "logboat-recorder.service"} <= set(before)
    assert values(unit, "Type") == ["oneshot"]
    assert values(unit, "TimeoutStartSec") == ["2min"]
    assert values(unit, "User") == []
    assert "AF_INET" not in " ".join(values(unit, "RestrictAddressFamilies"))


def test_radios_service_may_only_set_up_interfaces() -> None:
    assert values(RADIO, "CapabilityBoundingSet") == ["CAP_NET_ADMIN CAP_NET_RAW"]
    assert values(RADIO, "ProtectSystem") == ["strict"]
    assert values(RADIO, "ConditionPathExists") == ["/run/logboat-radio/supplicant.conf"]


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_every_end_is_recorded_and_restarts_are_not_limited(unit: Path) -> None:
    """If restarts were limited, systemd would give up silently. Instead, Logboat reports frequent exits."""
    noted = [value.lstrip("-+") for value in values(unit.name, "ExecStopPost")]
    assert f"/usr/lib/logboat/ended {unit.stem.removeprefix('logboat-')}" == noted[0]
    assert unit.stem.removeprefix("logboat-") in crash_loops.DAEMONS
    if unit.name not in OF_ROOT:
        assert values(unit.name, "StartLimitIntervalSec") == ["0"]
    if values(unit.name, "Restart"):
        slowest = values(unit.name, "RestartMaxDelaySec") or values(unit.name, "RestartSec")
        assert values(unit.name, "Restart") == ["always"]
        assert int(slowest[0]) < crash_loops.OVER_AFTER_S / 2, (
            "a fault must not be forgotten between two tries"
        )


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_no_unit_can_hang_indefinitely(unit: Path) -> None:
    """Every unit has a start timeout and every daemon a watchdog, except for wpa_supplicant."""
    if unit.name != RADIO:
        assert values(unit.name, "TimeoutStartSec")
        assert values(unit.name, "WatchdogSec") or values(unit.name, "Type") == ["oneshot"]


@pytest.mark.parametrize("unit", [unit for unit in ALL if unit.name != RADIO], ids=lambda unit: unit.name)
def test_start_on_a_slow_board_may_request_more_time(unit: Path) -> None:
    """The request goes through systemd's socket, to which the service must have access."""
    assert values(unit.name, "NotifyAccess") == ["main"]
    [limit] = values(unit.name, "TimeoutStartSec")
    assert int(limit.removesuffix("min")) * 60 >= MORE_S, "a longer one is better to begin with"
    assert "AF_UNIX" in " ".join(values(unit.name, "RestrictAddressFamilies"))


@pytest.mark.parametrize("unit", ALL, ids=lambda unit: unit.name)
def test_program_after_an_end_is_quick_and_has_enough_time(unit: Path) -> None:
    """If the `ExecStopPost=` program of a service takes too long, systemd marks the service as failed."""
    first, *others = values(unit.name, "ExecStopPost")
    assert "python" not in crash_loops.SCRIPT.read_text().splitlines()[0]
    assert "/usr/bin/logboat" not in first
    assert all("success" in other for other in others), "nothing slow after a good end"
    if unit.name != RADIO:
        assert values(unit.name, "TimeoutStopSec") == ["1min"]
