"""Each of the doctor's checks detects its fault, and reports no fault on a healthy appliance."""

import shutil
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from services.cli.main import main
from services.doctor import network
from services.doctor.checks import CHECKS, Check, examine, is_well
from services.doctor.context import Appliance
from services.doctor.findings import CheckStatus
from services.documents.builders import silence
from services.logs.error_log import ErrorLog
from services.logs.lines import LogLine
from services.maintenance_schedule import records
from services.recovery import store_check
from services.state import crash_loops, state_file
from services.state.boot_state import BootState
from services.state.boot_state import write as write_boot
from services.state.liveness import Stamp
from services.state.recorder_state import LiveClock, LiveSensor, LiveStorage
from services.state.sync_state import LivePeer, LiveQuota
from sync.mesh.interfaces import MULTICAST, RUNNING, UP, Interface
from tests.gateway import builders
from tests.services import documents as build
from tests.services.lights.builders import NOW, UTC, gateway, mesh, recorder
from tests.services.maintenance_schedule import builders as serviced
from tests.services.syncing import Fleet

BITE = LiveQuota(owner="user:guest", measure="bytes", limit=4_000_000, refused=17, until=UTC + 7_200)

CONFIG = """\
[vessel]
id = "argo"
[network]
country = "DE"
wifi = [{ ssid = "marina", password = "12345678" }]
[clock]
rtc = "ds3231"
gnss = "/dev/ttyACM0"
"""
SENSORS = """\
[[sensor]]
id = "bilge"
kind = "switch"
pin = 17
path = "bilge.main.highWater"

[[sensor]]
id = "cabin"
kind = "ds18b20"
path = "environment.inside.temperature"

[[sensor]]
id = "fuel"
kind = "analog"
chip = "mcp3008"
channel = 0
calibration = [[0.4, 1.0], [1.65, 0.0]]
valid = [0.3, 3.0]
path = "tanks.fuel.0.currentLevel"

[[output]]
id = "siren"
pin = 23
on = ["alarm"]
when_silent = true
"""
THERMOMETER = """
[[sensor]]
id = "t2"
kind = "ds18s20"
path = "environment.inside.t2.temperature"
"""
CONFIG_TXT = """\
dtparam=i2c_arm=on
dtparam=spi=on
dtoverlay=w1-gpio
dtoverlay=mcp3008,spi0-0-present
dtoverlay=i2c-rtc,ds3231
"""


class Rig:
    """A healthy appliance in a folder, into which tests introduce faults."""

    def __init__(self, folder: Path) -> None:
        self.root = folder
        self.said = {
            "systemctl list-units": "",
            "systemctl show": "Id=logboat-recorder.service\nNRestarts=0\n",
            "nft list": "tcp dport 4984 accept\n",
        }
        for name in ("etc", "data", "run"):
            (folder / name).mkdir()
        self.put("etc/logboat.toml", CONFIG)
        self.put("etc/sensors.toml", SENSORS)
        self.put("fw/config.txt", CONFIG_TXT)
        self.put("dev/gpiochip0", "")
        self.put("dev/i2c-1", "")
        self.put("sys/class/gpio/gpiochip512/label", "pinctrl-bcm2711")
        self.put("sys/bus/w1/devices/28-0316a2/name", "28-0316a2")
        self.put("sys/bus/spi/devices/spi0.0/modalias", "spi:mcp3008")
        self.put("sys/class/rtc/rtc0/name", "rtc-ds1307 1-0068")
        self.put("sys/devices/platform/soc/soc:firmware/get_throttled", "0")
        self.put("sys/class/thermal/thermal_zone0/temp", "45000")
        self.put("proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 600000 kB\n")
        self.put("proc/mounts", f"/dev/mmcblk0p7 {folder} ext4 rw,noatime 0 0\n")
        self.put("sys/fs/ext4/mmcblk0p7/errors_count", "0")
        self.put("sys/class/block/mmcblk0/device/life_time", "0x01 0x01")
        self.put("sys/class/net/eth0/operstate", "up")
        self.put("sys/class/rfkill/rfkill0/soft", "0")
        self.put("sys/class/rfkill/rfkill0/hard", "0")
        self.put("sys/class/rfkill/rfkill0/type", "wlan")
        self.put("proc/net/wireless", "head\nhead\n wlan0: 0000   60.  -50.  -256        0\n")
        Fleet("north").identity(folder / "identity")
        with builders.store(folder / "data/log.db") as database:
            builders.write_vessel(database, "argo", ["main"])
        self.recorder()
        self.sync()
        self.lights()
        self.gnss()

    def put(self, path: str, text: str) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text)

    def live(self, daemon: str, state: dict[str, Any]) -> None:
        state_file.write(state_file.path(self.root / "run", daemon), state)

    def lights(self, *, clock: float = NOW, **siren: Any) -> None:
        """Write the state of a lights daemon with a siren, which has these changes."""
        stamp = {"clock": clock, "utc": UTC}
        self.live("lights", build.lights_state(build.live_output(**siren), pid=1, updated=stamp))

    def recorder(self, **more: Any) -> None:
        self.live("recorder", msgspec.to_builtins(recorder(**{"started_clock": NOW - 600, **more})))

    def sync(self, **more: Any) -> None:
        self.live("sync", msgspec.to_builtins(mesh(**more)))

    def gnss(self, **more: Any) -> None:
        state = {"device": "/dev/ttyACM0", "words": "fix from 9 satellites", **more}
        self.live("gnss", {"pid": 1, "updated": {"clock": NOW, "utc": UTC}, **state})

    def remove(self, path: str) -> None:
        target = self.root / path
        shutil.rmtree(target) if target.is_dir() else target.unlink()

    def ask(self, command: Sequence[str]) -> str:
        found = self.said.get(" ".join(command[:2]))
        if found is None:
            raise OSError(2, "No such file or directory")
        return found

    def appliance(self, **more: Any) -> Appliance:
        given = {"boottime": NOW, "utc": UTC, "alive": lambda _pid: True, **more}
        return Appliance(
            config=self.root / "etc/logboat.toml",
            sensors_file=self.root / "etc/sensors.toml",
            data=self.root / "data",
            run=self.root / "run",
            identity=self.root / "identity",
            root=self.root,
            firmware=self.root / "fw",
            ask=self.ask,
            **given,
        )


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    return healthy(tmp_path, monkeypatch)


def healthy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    # Do not send packets: the multicast probe has tests of its own.
    monkeypatch.setattr(network, "read_interfaces", lambda: (interface("eth0"),))
    monkeypatch.setattr(network, "_comes_back", lambda _index: True)
    monkeypatch.setattr(
        shutil, "disk_usage", lambda _path: SimpleNamespace(total=100e9, used=50e9, free=50e9)
    )
    return Rig(folder)


def interface(name: str) -> Interface:
    import ipaddress

    return Interface(name, 2, UP | RUNNING | MULTICAST, (ipaddress.IPv4Interface("10.0.0.1/8"),))


def check(name: str) -> Check:
    return next(each for each in CHECKS if each.name == name)


@pytest.mark.parametrize("name", [each.name for each in CHECKS])
def test_healthy_appliance_has_no_findings(rig: Rig, name: str) -> None:
    if name in ("gaps", "name", "alarms", "service"):
        finding = check(name).ask(rig.appliance())
        assert finding.verdict in (CheckStatus.GOOD, CheckStatus.SKIPPED)
        return
    finding = check(name).ask(rig.appliance())
    assert finding.verdict is CheckStatus.GOOD, finding
    assert finding.seen


def damage(rig: Rig) -> None:
    store_check.mark_damaged(rig.root / "data", "a bad page")


def lose_reading(rig: Rig) -> None:
    with builders.store(rig.root / "data/log.db") as database:
        for first in (1, 9):
            database.put(*build.reading(1.0, 2.0, first=first))


def move_siren_to_serial_console(rig: Rig) -> None:
    rig.put("etc/sensors.toml", SENSORS.replace("pin = 23", "pin = 14"))
    rig.put("fw/config.txt", f"{CONFIG_TXT}enable_uart=1\n")


def neglect(rig: Rig) -> None:
    with builders.store(rig.root / "data/log.db") as database:
        build.write(database, serviced.vessel(serviced.OIL), serviced.hours(300))
        plan = records.plans(database, "argo")[0][0]
        records.write(
            database, "argo", plan, run_s=40 * 3600.0, who="anna", utc=UTC - 864_000, is_synced=True
        )


def flood(rig: Rig) -> None:
    with builders.store(rig.root / "data/log.db") as database:
        build.write(database, build.alarm(1, sensor="oil", severity="warn"), build.alarm(2))


def silence_one(rig: Rig) -> None:
    flood(rig)
    name, _ = build.alarm(2)
    with builders.store(rig.root / "data/log.db") as database:
        build.write(database, silence(name, "alarm", who="anna", utc=UTC, duration_s=600.0, trust="synced"))


def end_often(rig: Rig, clock: float) -> None:
    for second in range(6):
        crash_loops.record_exit(rig.root / "run", "sync", "exit status 1", clock=clock - 60 + second)


def keep_error(rig: Rig, utc: float) -> None:
    line = LogLine("error", "recorder", "recording", "the card is gone")
    ErrorLog(rig.root / "data").append(line, utc=utc, clock=1.0, now=0.0)


def full(_rig: Rig) -> None:
    shutil.disk_usage = lambda _path: SimpleNamespace(total=100e9, used=99e9, free=1e9)  # type: ignore[assignment,return-value]


FAULTS: list[tuple[str, Callable[[Rig], object], str]] = [
    ("recorder", lambda r: r.remove("run/recorder.json"), "is not running"),
    ("recorder", lambda r: r.recorder(fault="disk is full", recording=False), "disk is full"),
    ("recorder", lambda r: r.recorder(last_durable=Stamp(clock=NOW - 20, utc=UTC)), "for 8 s"),
    ("sync", lambda r: r.remove("run/sync.json"), "is not running"),
    ("lights", lambda r: r.remove("run/lights.json"), "the lights are off"),
    (
        "lights",
        lambda r: r.live(
            "lights", {"pid": 1, "updated": {"clock": NOW, "utc": UTC}, "whyDark": "no GPIO header"}
        ),
        "the lights are off: no GPIO header",
    ),
    (
        "lights",
        lambda r: r.live("lights", {"pid": 1, "updated": {"clock": NOW - 60, "utc": UTC}}),
        "the lights show an old state",
    ),
    (
        "outputs",
        lambda r: r.remove("run/lights.json"),
        "run/lights.json does not exist): alarms cannot sound on siren",
    ),
    ("outputs", lambda r: r.lights(clock=NOW - 60), "no update for 1 min: alarms cannot sound on siren"),
    ("outputs", lambda r: r.lights(fault="pin 23 is on, but was turned off"), "siren: pin 23 is on, but was"),
    ("outputs", lambda r: r.lights(id="horn"), "the lights daemon does not drive siren"),
    (
        "pins",
        move_siren_to_serial_console,
        "siren uses pin 14, which also belongs to the serial console",
    ),
    (
        "units",
        lambda r: r.said.update({"systemctl list-units": "logboat-store.service x\n"}),
        "logboat-store",
    ),
    ("restarts", lambda r: r.said.update({"systemctl show": "Id=logboat-sync\nNRestarts=12\n"}), "12 times"),
    ("restarts", lambda r: end_often(r, NOW), "logboat-sync has stopped 6 times in 10 min"),
    ("errors", lambda r: keep_error(r, UTC - 60), "from recorder, 2026-09-21 14:12:20Z: the card is gone"),
    ("configuration", lambda r: r.put("etc/sensors.toml", "[[sensor]]\nid = 3\n"), "sensors.toml:"),
    (
        "configuration",
        lambda r: write_boot(r.root / "run", BootState(problems=("vessel.toml:3: no",))),
        "vessel.toml",
    ),
    (
        "configuration",
        lambda r: r.put(
            "etc/sensors.toml",
            '[[sensor]]\nid = "a"\nkind = "manual"\npath = "propulsion.main.coolantTemperature"\n'
            'alarm = { above = 95, severity = "warn" }\n',
        ),
        "95 without a unit means 95 K (-178.15 °C)",
    ),
    (
        "configuration",
        lambda r: write_boot(r.root / "run", BootState(unused=("sensors.toml.txt: not used",))),
        "sensors.toml.txt: not used",
    ),
    ("name", lambda r: write_boot(r.root / "run", BootState(generated=True)), "a generated one is in use"),
    ("gpio-chip", lambda r: r.remove("dev/gpiochip0"), "/dev/gpiochip* does not exist"),
    ("gpio-chip", lambda r: r.put("sys/class/gpio/gpiochip512/label", "pl061"), "pl061"),
    (
        "pins",
        lambda r: r.put("etc/sensors.toml", SENSORS.replace("pin = 17", "pin = 2")),
        "pin 2, which also belongs to I2C",
    ),
    ("overlays", lambda r: r.put("fw/config.txt", "dtparam=spi=on\n"), "lacks"),
    ("1-wire", lambda r: r.remove("sys/bus/w1/devices/28-0316a2"), "no thermometer"),
    (
        "1-wire",
        lambda r: r.put("etc/sensors.toml", f'{SENSORS}{THERMOMETER}address = "10-000802a1b3c4"\n'),
        "t2: 10-000802a1b3c4 does not respond",
    ),
    ("1-wire", lambda r: r.put("etc/sensors.toml", SENSORS + THERMOMETER), "t2: no ds18s20 responds"),
    ("i2c", lambda r: r.remove("dev/i2c-1"), "/dev/i2c-1 does not exist"),
    ("spi", lambda r: r.remove("sys/bus/spi/devices/spi0.0"), "no SPI device"),
    (
        "sensors",
        lambda r: r.recorder(sensors={"fuel": LiveSensor(state="open", detail="3.3 V")}),
        "fuel: open, 3.3 V",
    ),
    (
        "sensors",
        lambda r: r.recorder(
            sensors={
                "used": LiveSensor(state="failed", detail="fuel is open", kind="derived"),
                "fuel": LiveSensor(state="open", detail="3.3 V"),
            }
        ),
        "fuel: open, 3.3 V (and 1 more)",
    ),
    ("silent", lambda r: r.recorder(sensors={"fuel": LiveSensor()}), "no data since"),
    ("edges", lambda r: r.recorder(sensors={"rpm": LiveSensor(state="edges-lost")}), "dropped edges"),
    ("clock", lambda r: r.recorder(clock=LiveClock(source="floor", uncertainty=0)), "unknown"),
    ("clock", lambda r: r.recorder(clock=LiveClock(source="rtc", uncertainty=500)), "500 s"),
    ("clock-chip", lambda r: r.remove("sys/class/rtc/rtc0"), "does not respond"),
    ("receiver", lambda r: r.remove("run/gnss.json"), "/dev/ttyACM0 is not read: the GNSS daemon is not"),
    ("receiver", lambda r: r.gnss(device="/dev/ttyACM1"), "still reads /dev/ttyACM1 instead of"),
    ("receiver", lambda r: r.gnss(fault="no-fix", words="no fix yet", remedy="Wait."), "no fix yet"),
    (
        "receiver",
        lambda r: r.put("sys/class/tty/console/active", "tty1 ttyACM0"),
        "/dev/ttyACM0 is also the serial console",
    ),
    (
        "voltage",
        lambda r: r.put("sys/devices/platform/soc/soc:firmware/get_throttled", "50005"),
        "too low now",
    ),
    (
        "voltage",
        lambda r: r.put("sys/devices/platform/soc/soc:firmware/get_throttled", "50000"),
        "since boot",
    ),
    ("heat", lambda r: r.put("sys/class/thermal/thermal_zone0/temp", "84000"), "84 °C"),
    ("memory", lambda r: r.put("proc/meminfo", "MemTotal: 1000000 kB\nMemAvailable: 9000 kB\n"), "8 MB of"),
    ("space", full, "is free"),
    (
        "space",
        lambda r: r.recorder(storage=LiveStorage(free=5e10, total=1e11, budget=1e9, used=9.9e8)),
        "90 %",
    ),
    ("mounted", lambda r: r.put("proc/mounts", f"/dev/x {r.root} ext4 ro 0 0\n"), "read-only"),
    ("file-systems", lambda r: r.put("sys/fs/ext4/mmcblk0p7/errors_count", "3"), "3 errors"),
    ("wear", lambda r: r.put("sys/class/block/mmcblk0/device/life_time", "0x02 0x0a"), "90 to 100 %"),
    ("store", damage, "found damage"),
    ("copies", lambda r: r.recorder(copies="no room"), "no room"),
    ("gaps", lose_reading, "6 samples missing"),
    ("alarms", flood, "alarm of rpm: Overspeed (above 63, at 3840 rpm) (and 1 other alarm)"),
    ("alarms", silence_one, "; 1 audible, 1 silenced until "),
    ("service", neglect, "Engine oil is overdue by 10.0 running hours"),
    ("interfaces", lambda r: r.put("sys/class/net/eth0/operstate", "down"), "no network interface"),
    ("radio", lambda r: r.put("sys/class/rfkill/rfkill0/soft", "1"), "blocked"),
    ("signal", lambda r: r.put("proc/net/wireless", "h\nh\n wlan0: 0 20.  -88.  -256 0\n"), "-88 dBm"),
    ("firewall", lambda r: r.said.update({"nft list": "tcp dport 22 accept\n"}), "4984"),
    ("identity", lambda r: r.remove("identity"), "belongs to no fleet"),
    ("identity", lambda r: r.put("identity/vessel.key", "rubbish"), "vessel.key"),
    (
        "mesh",
        lambda r: r.sync(peers=[LivePeer(vessel="b", state="refused", problem="expired")]),
        "b: expired",
    ),
    ("mesh", lambda r: r.sync(fault="port 4984 is taken"), "port 4984"),
    ("clones", lambda r: r.sync(clones=["argo is there twice"]), "twice"),
    ("mesh", lambda r: r.sync(quotas=[BITE]), "user guest has used its daily limit of 4 MB"),
    ("gateways", lambda r: r.sync(gateways=[gateway("refused", problem="wrong password")]), "wrong password"),
    ("gateways", lambda r: r.sync(gateways=[gateway("connecting", problem="no answer")]), "no answer"),
    (
        "gateways",
        lambda r: r.sync(gateways=[gateway(), gateway("connecting", problem="is down")]),
        "office: is down; 1 of 2 gateways work",
    ),
    (
        "gateways",
        lambda r: r.sync(
            gateways=[gateway("connecting", problem="is down"), gateway("refused", problem="wrong password")]
        ),
        "office: wrong password; office: is down",
    ),
]


@pytest.mark.parametrize(("name", "plant", "words"), FAULTS, ids=[f"{f[0]}: {f[2]}" for f in FAULTS])
def test_each_fault_is_found(
    rig: Rig, name: str, plant: Callable[[Rig], object], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", shutil.disk_usage)  # restored afterwards, whatever the fault
    plant(rig)
    finding = check(name).ask(rig.appliance())
    assert finding.verdict in (CheckStatus.WARN, CheckStatus.BAD), finding
    assert words in finding.seen
    assert finding.cure


def test_wires_of_a_computed_sensor_are_not_to_be_checked(rig: Rig) -> None:
    rig.recorder(sensors={"used": LiveSensor(state="out-of-range", detail="b is 0", kind="derived")})
    finding = check("sensors").ask(rig.appliance())
    assert (finding.seen, finding.cure) == (
        "used: out-of-range, b is 0",
        "Check the sensors from which it is computed.",
    )


def test_past_faults_are_no_longer_reported(rig: Rig) -> None:
    end_often(rig, NOW - 120)
    keep_error(rig, UTC - 90_000)
    assert check("restarts").ask(rig.appliance()).verdict is CheckStatus.GOOD
    assert check("errors").ask(rig.appliance()).verdict is CheckStatus.GOOD


def test_every_check_has_a_fault_in_the_tests() -> None:
    assert {each.name for each in CHECKS} - {name for name, _, _ in FAULTS} == {"age", "multicast"}
    assert len(CHECKS) >= 25


def test_clock_that_shows_1970_is_found(rig: Rig) -> None:
    assert check("age").ask(rig.appliance(utc=1_000.0)).verdict is CheckStatus.WARN


def test_expiring_certificate_is_found(rig: Rig) -> None:
    assert "expired" in check("identity").ask(rig.appliance(utc=UTC + 200 * 365 * 86_400)).seen


def test_missing_multicast_reception_is_found(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(network, "_comes_back", lambda _index: False)
    finding = check("multicast").ask(rig.appliance())
    assert finding.verdict is CheckStatus.WARN
    assert "eth0" in finding.seen


def test_damaged_store_is_found(rig: Rig) -> None:
    (rig.root / "data/log.db").write_bytes(b"SQLite format 3\0" + bytes(8_000))
    assert check("store").ask(rig.appliance()).verdict is CheckStatus.BAD


def test_store_of_another_program_is_found(rig: Rig) -> None:
    (rig.root / "data/log.db").unlink()
    with sqlite3.connect(rig.root / "data/log.db") as other:
        other.execute("create table x (y)")
    other.close()
    assert check("store").ask(rig.appliance()).verdict is CheckStatus.BAD


def test_outputs_are_skipped_if_there_are_none_and_unreadable_levels_are_named(rig: Rig) -> None:
    rig.lights(readBack=None)
    finding = check("outputs").ask(rig.appliance())
    assert finding.seen == "1 output driven, but the levels of siren cannot be read back"
    rig.put("etc/sensors.toml", SENSORS.partition("[[output]]")[0])
    rig.remove("run/lights.json")
    assert check("outputs").ask(rig.appliance()).verdict is CheckStatus.SKIPPED


def test_check_that_cannot_run_is_skipped(rig: Rig) -> None:
    def fail(_patient: Appliance) -> Any:
        raise PermissionError(13, "Permission denied")

    ((_, finding),) = examine(rig.appliance(), [Check("x", fail, "y")])
    assert finding.verdict is CheckStatus.SKIPPED
    assert "Permission denied" in finding.seen


def test_warnings_do_not_count_as_faults(rig: Rig) -> None:
    rig.remove("run/lights.json")
    rig.put("etc/sensors.toml", SENSORS.partition("[[output]]")[0])
    assert is_well(list(examine(rig.appliance())))
    rig.remove("run/recorder.json")
    assert not is_well(list(examine(rig.appliance())))


def test_command_reports_faults_and_exits_with_status_1(
    rig: Rig, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.doctor.context.run_command", lambda _command: "")
    rig.remove("run/recorder.json")
    places = ["--config", str(rig.root / "etc/logboat.toml"), "--sensors", str(rig.root / "etc/sensors.toml")]
    places += [
        "--data",
        str(rig.root / "data"),
        "--run",
        str(rig.root / "run"),
        "--identity",
        str(rig.root / "identity"),
    ]
    assert main(["doctor", *places]) == 1
    said = capsys.readouterr().out
    assert "BAD   recorder" in said
    assert "do:  Run `systemctl restart logboat-recorder`" in said
    assert f"{len(CHECKS)} checks: " in said
    assert main(["doctor", "--json", *places]) == 1
    told = msgspec.json.decode(capsys.readouterr().out)
    assert not told["well"]
    assert [each["name"] for each in told["checks"]] == [each.name for each in CHECKS]
