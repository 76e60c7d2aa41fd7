"""The boot applies the files on the card and sets up the system, and no fault can stop the boot."""

import json
import os
import shutil
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioning import files
from provisioning.card.tools import run as run_tool
from provisioning.errors import CardError
from services.boot import clock, run, system
from services.boot.paths import AppliancePaths
from services.boot.run import BootSequence
from services.cli.main import main
from services.console.environment import Environment
from services.state import boot_state
from services.state.boot_state import BootState
from sync.fleet import identity_files
from tests.net.certificates import NOW
from tests.provisioning.bundles import SENSORS, VESSEL, bundle, put
from tests.provisioning.test_imager import SCRIPT
from tests.provisioning.test_networks import IW
from tests.provisioning.test_overlays import SENSORS as WIRED

from .appliance import Appliance, Outcome, StoppedClock, logboat

__all__ = ["logboat"]  # a fixture

NETWORK = """
[network]
country = "DE"
ssh_keys = ["ssh-ed25519 AAAAC3Nza anna"]
wifi = [{ ssid = "marina", password = "correct horse" }]
access_point = { ssid = "argo", password = "battery staple" }
vessel_radio = { mode = "mesh", channel = 6 }
"""


class Pi:
    """Folders, boot slots and radios of an appliance.

    Calls of tools are only recorded, except for ssh-keygen.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = AppliancePaths(
            config=root / "etc/logboat/logboat.toml",
            data=root / "data",
            run=root / "run",
            firmware=root / "firmware",
            partition=root / "partition",
            profiles=root / "profiles",
            unmanaged=root / "unmanaged.conf",
            radio=root / "radio",
            firewall=root / "firewall",
            users=root / "userdb",
            homes=root / "homes",
            root=root / "system",
        )
        self.slots = [root / "slot-a", root / "slot-b"]
        for folder in (
            self.places.card,
            self.places.data,
            self.places.partition,
            self.places.etc,
            *self.slots,
        ):
            folder.mkdir(parents=True)
        for slot in self.slots:
            (slot / "config.txt").write_text("arm_64bit=1\n")
        self.file("proc/cmdline", "console=tty1 root=PARTUUID=10b0a7-05 ro")
        self.ran: list[str] = []
        self.broken: set[str] = set()

    def file(self, name: str, text: str) -> Path:
        path = self.places.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def radio(self, interface: str, phy: str) -> None:
        self.file(f"sys/class/net/{interface}/phy80211/name", f"{phy}\n")

    def tool(self, command: Sequence[str], **_named: object) -> bytes:
        self.ran.append(" ".join(command))
        if command[0] in self.broken:
            raise CardError(f"{command[0]}: broken")
        if command[0] == "ssh-keygen":
            if shutil.which("ssh-keygen") is None:
                Path(command[-1]).write_text("private")
                Path(command[-1]).with_suffix(".pub").write_text("public")
            else:
                run_tool(command)
        return IW.encode() if command[:2] == ["iw", "phy"] and len(command) == 2 else b""

    def start(self) -> BootState:
        self.ran.clear()
        return self.boot().run()

    def boot(self) -> BootSequence:

        @contextmanager
        def entered(slot: Path) -> Iterator[Path]:
            yield slot

        return BootSequence(
            self.places, NOW, tool=self.tool, slots=lambda: [entered(slot) for slot in self.slots]
        )


@pytest.fixture
def pi(tmp_path: Path) -> Pi:
    return Pi(tmp_path / "pi")


def test_first_start_sets_up_the_vessel_from_its_card(pi: Pi) -> None:
    put(pi.places.inbox, {**bundle(), "vessel.toml": (VESSEL.format("argo", "Argo") + NETWORK).encode()})
    pi.radio("wlan0", "phy0")
    pi.radio("wlan1", "phy1")
    found = pi.start()
    assert found == BootState(taken=("identity", "logboat.toml", "sensors.toml"))
    assert boot_state.read(pi.places.run) == found
    assert "hostname logboat-argo" in pi.ran
    assert (pi.places.etc / "hostname").read_text() == "logboat-argo\n"
    assert "iw reg set DE" in pi.ran
    assert "iw phy phy0 interface add crew0 type __ap" in pi.ran
    keys = pi.places.ssh
    assert (keys / "authorized_keys").read_text() == "ssh-ed25519 AAAAC3Nza anna\n"
    assert stat.S_IMODE((keys / "ssh_host_ed25519_key").stat().st_mode) == 0o600
    names = sorted(path.name.rpartition(".")[0] for path in pi.places.profiles.iterdir())
    assert [name for name in names if "join" not in name] == [
        "logboat-crew",
        "logboat-ethernet",
    ]
    radio = pi.places.radio / "supplicant.conf"
    assert f'sae_password="{bundle()["identity/radio.key"].decode().strip()}"\n' in radio.read_text()
    assert (pi.places.radio / "interface").read_text() == "INTERFACE=wlan1\n"
    assert "interface-name:wlan1" in pi.places.unmanaged.read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in (radio, *pi.places.profiles.iterdir())} == {0o600}


def test_card_is_applied_before_the_networks_are_set_up(pi: Pi) -> None:
    put(pi.places.inbox, {**bundle(), "vessel.toml": (VESSEL.format("argo", "Argo") + NETWORK).encode()})
    pi.radio("wlan0", "phy0")
    taken = pi.boot().run_offline_steps()
    assert not [command for command in pi.ran if command.startswith("iw ")]
    assert not pi.places.profiles.exists()
    found = pi.boot().join()
    assert "iw reg set DE" in pi.ran
    assert list(pi.places.profiles.iterdir())
    assert (found.taken, found.problems) == (taken.taken, ())
    assert len(found.networks) == 1  # a single adapter cannot also serve the radio link between vessels
    pi.broken.add("iw")
    for _ in range(2):
        failed = pi.boot().join()
        assert failed.taken == taken.taken
        assert [problem.split(" could")[0] for problem in failed.problems] == ["the networks"]
    pi.broken.clear()
    assert pi.boot().join() == boot_state.read(pi.places.run) == found


def test_second_start_changes_nothing(pi: Pi) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    host_key = (pi.places.ssh / "ssh_host_ed25519_key").read_bytes()
    assert pi.start() == BootState()
    assert not [command for command in pi.ran if command.startswith(("ssh-keygen", "systemctl", "mount"))]
    assert (pi.places.ssh / "ssh_host_ed25519_key").read_bytes() == host_key


def test_without_a_bundle_the_vessel_has_a_generated_name_and_reports_it(pi: Pi, logboat: Appliance) -> None:
    pi.file("proc/device-tree/serial-number", "10000000abcdef\0")
    found = pi.start()
    assert found.generated
    assert f'id = "{run.fallback_name(pi.places.root)}"' in pi.places.config.read_text()
    logboat.live()
    boot_state.write(logboat.run_folder, found)
    shown = logboat("status")
    assert "no vessel id is configured" in shown.out
    assert logboat("status", "--json").json["boot"]["generated"] is True


def test_problems_of_the_card_are_in_status(pi: Pi, logboat: Appliance) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    (pi.places.card / "sensors.toml").write_text(SENSORS.format(5))
    found = pi.start()
    [problem] = found.problems
    assert problem.startswith('sensors.toml:4: sensor "float", pin: 5 is used by the power light')
    assert "line 4" in (pi.places.card / "PROBLEMS.txt").read_text()
    logboat.live()
    boot_state.write(logboat.run_folder, found)
    shown = logboat("status").out
    assert "configuration  WRONG: the last good configuration is in use; sensors.toml:4" in shown
    assert logboat("status", "--json").json["boot"]["problems"] == [problem]


def test_unused_file_on_the_card_is_shown_but_the_configuration_is_good(pi: Pi, logboat: Appliance) -> None:
    put(pi.places.inbox, bundle())
    (pi.places.firmware / "wpa_supplicant.conf").write_text("network={}")
    found = pi.start()
    assert (found.problems, found.taken) == ((), ("identity", "logboat.toml", "sensors.toml"))
    [unused] = found.unused
    assert unused.startswith(
        "wpa_supplicant.conf: this file was not used, because Logboat reads its networks"
    )
    assert "wpa_supplicant.conf" in (pi.places.card / "PROBLEMS.txt").read_text()
    logboat.live()
    boot_state.write(logboat.run_folder, found)
    shown = logboat("status").out
    assert "configuration  good, but NOT all files on the card are used: wpa_supplicant.conf" in shown


def test_wiring_is_configured_with_one_restart(pi: Pi) -> None:
    put(pi.places.inbox, {**bundle(), "sensors.toml": WIRED.encode()})
    chips = pi.file("sys/bus/i2c/devices/i2c-1/new_device", "")
    assert pi.start().restarts
    assert pi.ran[-1] == "systemctl --no-block reboot"
    for slot in pi.slots:
        assert "dtoverlay=w1-gpio\n" in (slot / "config.txt").read_text()
        assert (slot / "config.txt").read_text().startswith("arm_64bit=1\n")
    assert chips.read_text() == "ina226 0x41\n"
    assert pi.start() == BootState()


def test_lost_wiring_lines_are_reported_and_do_not_cause_endless_restarts(pi: Pi) -> None:
    put(pi.places.inbox, {**bundle(), "sensors.toml": WIRED.encode()})
    pi.start()
    for slot in pi.slots:
        (slot / "config.txt").write_text("arm_64bit=1\n")
    for _ in range(3):
        found = pi.start()
        assert not found.restarts
        assert "missing after the restart" in found.problems[0]
        assert "systemctl --no-block reboot" not in pi.ran


def test_another_system_in_a_slot_causes_one_restart_of_its_own(pi: Pi) -> None:
    put(pi.places.inbox, {**bundle(), "sensors.toml": WIRED.encode()})
    assert pi.start().restarts
    assert pi.start() == BootState()
    (pi.slots[0] / "config.txt").write_text("arm_64bit=1\n# of the next release\n")
    assert pi.start().restarts
    assert pi.start() == BootState()


def test_unwritable_folder_does_not_prevent_the_start(pi: Pi, monkeypatch: pytest.MonkeyPatch) -> None:
    put(pi.places.inbox, bundle())
    pi.start()

    def failing(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    for step in ("write", "rename", "remove"):
        monkeypatch.setattr(files, step, failing)
    (pi.places.card / "sensors.toml").write_text(SENSORS.format(27))
    found = pi.start()
    assert any("Read-only file system" in problem for problem in found.problems)
    assert boot_state.read(pi.places.run) == found
    assert (pi.places.etc / "sensors.toml").read_text() == SENSORS.format(17)


@pytest.mark.parametrize("broken", ["hostname", "ssh-keygen", "iw", "systemctl"])
def test_failing_step_does_not_prevent_other_steps(pi: Pi, broken: str) -> None:
    wired = {"sensors.toml": WIRED.encode(), "vessel.toml": (VESSEL.format("argo", "A") + NETWORK).encode()}
    put(pi.places.inbox, {**bundle(), **wired})
    pi.radio("wlan0", "phy0")
    pi.broken.add(broken)
    found = pi.start()
    assert [problem for problem in found.problems if f"{broken}: broken" in problem] or broken == "systemctl"
    assert identity_files.load(pi.places.etc / "identity").vessel == "argo"
    assert (pi.places.ssh / "authorized_keys").exists() or broken == "ssh-keygen"
    assert "dtoverlay=w1-gpio" in (pi.slots[0] / "config.txt").read_text()
    assert boot_state.read(pi.places.run).taken


def test_networks_that_no_adapter_supports_are_reported(pi: Pi, logboat: Appliance) -> None:
    put(pi.places.inbox, {**bundle(), "vessel.toml": (VESSEL.format("argo", "Argo") + NETWORK).encode()})
    found = pi.start()
    assert len(found.networks) == 3
    logboat.live()
    boot_state.write(logboat.run_folder, found)
    assert logboat("status", "--json").json["boot"]["networks"] == list(found.networks)
    assert found.problems == ()


def test_last_good_configuration_is_used_after_damage(pi: Pi) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    pi.places.config.write_text("[vessel\n")
    found = pi.start()
    assert found.problems == ()  # the recorder reports it after its own check
    assert not (pi.places.data / "last-good").exists()  # belongs to the daemons, so root does not create it


def test_folder_planted_by_a_daemon_is_not_trusted(pi: Pi) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    pi.places.etc.chmod(0o777)
    (pi.places.ssh / "authorized_keys").write_text("ssh-ed25519 AAAA intruder\n")
    found = pi.start()
    assert "is not owned by root" in found.problems[0]
    assert pi.ran == []


def test_clock_in_1970_is_not_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str(int(NOW.timestamp())))
    assert clock.now(tmp_path, utc=0.0) == NOW
    (tmp_path / "samples.db").touch()
    os.utime(tmp_path / "samples.db", (NOW.timestamp() + 86_400,) * 2)
    assert clock.now(tmp_path, utc=0.0) == datetime(2026, 5, 2, tzinfo=UTC)


def test_partition_names_follow_from_the_disks_name() -> None:
    assert str(system.partition_of(Path("/dev/mmcblk0"), 2)) == "/dev/mmcblk0p2"
    assert str(system.partition_of(Path("/dev/sda"), 7)) == "/dev/sda7"


@pytest.mark.parametrize("with_bundle", [True, False])
def test_settings_of_imager_are_applied_and_wiped_from_the_card(pi: Pi, with_bundle: bool) -> None:
    if with_bundle:
        put(pi.places.inbox, bundle())
    (pi.places.firmware / "firstrun.sh").write_text(SCRIPT)
    pi.radio("wlan0", "phy0")
    for _ in range(2):  # the second start changes nothing
        assert pi.start().problems == ()
        assert "hostname dinghy" in pi.ran
        assert "iw reg set DE" in pi.ran
        [joined] = pi.places.profiles.glob("logboat-join-*")
        assert "psk=0123456789abcdef\n" in joined.read_text()
        shutil.rmtree(pi.places.profiles)
        assert (pi.places.ssh / "authorized_keys").read_text().splitlines() == [
            "ssh-ed25519 AAAAC3Nza anna",
            "ssh-rsa AAAAB3 bob",
        ]
        record = json.loads((pi.places.users / "anna.user").read_text())
        assert (record["userName"], record["uid"]) == ("anna", 1100)
        assert "$5$" in (pi.places.users / "anna.user-privileged").read_text()
        assert (pi.places.users / "anna:adm.membership").exists()
        assert json.loads((pi.places.users / "adm.group").read_text())["groupName"] == "adm"
    assert not (pi.places.firmware / "firstrun.sh").exists()


# logboat config apply


def test_applied_file_is_in_force_and_on_the_card(pi: Pi, logboat: Appliance) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    apply = applier(pi, logboat)
    new = logboat.root / "new-sensors.toml"
    new.write_text(SENSORS.format(27))
    done = apply(new)
    assert (done.status, done.lines[0]) == (0, "applied: sensors.toml")
    assert (pi.places.card / "sensors.toml").read_text() == SENSORS.format(27)
    assert (pi.places.etc / "sensors.toml").read_text() == SENSORS.format(27)
    assert pi.start() == BootState()
    assert apply(new).lines == ["no change: the file was already applied"]


def test_invalid_file_is_not_applied(pi: Pi, logboat: Appliance) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    new = logboat.root / "vessel.toml"
    new.write_text('[vessel]\nid = "brigid"\n')
    done = applier(pi, logboat)(new)
    assert (done.status, done.lines[-1]) == (2, "nothing was changed")
    assert 'Write: id = "argo"' in done.out
    assert (pi.places.etc / "logboat.toml").read_bytes() == bundle()["vessel.toml"]
    assert "Traceback" not in applier(pi, logboat)(logboat.root / "missing.toml").err


EARLIER = """\
[[sensor]]
id = "coolant"
kind = "manual"
path = "propulsion.main.coolantTemperature"
alarm = { above = 368.15, severity = "alarm" }
"""
"""`sensors.toml` that earlier versions accepted, although an alarm limit is in kelvin."""


def test_number_whose_unit_is_in_doubt_is_not_applied(pi: Pi, logboat: Appliance) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    new = logboat.root / "new-sensors.toml"
    new.write_text(EARLIER)
    done = applier(pi, logboat)(new)
    assert (done.status, done.lines[-1]) == (2, "nothing was changed")
    assert "368.15 without a unit means 368.15 K (95 °C)" in done.out
    assert (pi.places.etc / "sensors.toml").read_text() == SENSORS.format(17)
    new.write_text(EARLIER.replace("368.15", '"368.15 K"'))
    assert applier(pi, logboat)(new).lines[0] == "applied: sensors.toml"


def test_such_a_number_on_the_card_is_refused_in_a_new_file_and_accepted_in_the_file_in_force(
    pi: Pi, logboat: Appliance
) -> None:
    put(pi.places.inbox, bundle())
    pi.start()
    (pi.places.card / "sensors.toml").write_text(EARLIER)
    [problem] = pi.start().problems
    assert "368.15 without a unit means 368.15 K (95 °C)" in problem
    assert (pi.places.etc / "sensors.toml").read_text() == SENSORS.format(17)
    (pi.places.etc / "sensors.toml").write_text(EARLIER)  # as an earlier version applied it
    assert pi.start().problems == ()
    assert (pi.places.etc / "sensors.toml").read_text() == EARLIER
    vessel = logboat.root / "vessel.toml"
    vessel.write_text('[vessel]\nid = "argo"\nname = "Renamed"\n')
    assert applier(pi, logboat)(vessel).lines[0] == "applied: logboat.toml"
    assert (pi.places.card / "sensors.toml").read_text() == EARLIER


def applier(pi: Pi, logboat: Appliance) -> Callable[..., Outcome]:
    def apply(file: Path, *more: str) -> Outcome:
        logboat.capture.readouterr()
        places = ["--config", str(pi.places.config), "--data", str(pi.places.data)]
        command = ["config", "apply", str(file), "--firmware", str(pi.places.firmware), *places, *more]
        status = main(command, world=Environment(clock=StoppedClock()))
        out, err = logboat.capture.readouterr()
        return Outcome(status, out, err)

    return apply
