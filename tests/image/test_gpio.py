"""Logboat records level changes on a simulated GPIO chip, and sets the levels of its outputs."""

import os
import time
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from provisioning.image.build import native
from tests.image.conftest import OUTPUT
from tests.image.gpiosim import Header, build
from tests.image.guest import Guest

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

SLOW = 15
POWER_LIGHT, RECORD_LIGHT = 5, 6
FLOAT, SIREN = 17, 23
SENSORS = """
[[sensor]]
id = "bilge-float"
name = "Main bilge float switch"
kind = "switch"
pin = 17
pull = "down"
active = "high"
debounce = "20 ms"
path = "bilge.main.highWater"
alarm = { when = "active", severity = "alarm", text = "Water in the bilge", clear_for = "5 s" }

[[sensor]]
id = "main-rpm"
name = "Main engine"
kind = "pulse"
pin = 27
pulses_per_unit = 1
path = "propulsion.main.revolutions"
rate = "1 Hz"

[[output]]
id = "siren"
pin = 23
on = ["alarm"]
"""
ONCE = "/run/systemd/system/logboat-lights.service.d"
"""Folder of a drop-in by which systemd does not restart the lights daemon."""


@pytest.fixture(scope="module")
def header(booted: Guest, tmp_path_factory: pytest.TempPathFactory) -> Header:
    cache = Path(os.environ.get("LOGBOAT_IMAGE_CACHE", str(OUTPUT / "cache")))
    found = Header.fit(booted, build(booted.run("uname -r"), native(), cache))
    sensors = tmp_path_factory.mktemp("sensors") / "sensors.toml"
    sensors.write_text(SENSORS)
    booted.put(sensors, "sensors.toml")
    booted.root("install -g logboat -m 640 /home/skipper/sensors.toml /etc/logboat/sensors.toml")
    booted.root("systemctl restart logboat-recorder logboat-lights")
    booted.wait_for("reading the header", lambda: state(booted, "bilge-float") == "good")
    return found


def sensor(guest: Guest, name: str) -> Any:
    """Return the entry of one sensor in the output of `logboat sensors`."""
    found = {each["sensor"]: each for each in guest.json("logboat sensors --json")["sensors"]}
    return found.get(name, {"state": None, "value": None})


def state(guest: Guest, name: str) -> Any:
    return sensor(guest, name)["state"]


def reads(guest: Guest, level: bool) -> bool:
    return bool(sensor(guest, "bilge-float")["value"]) is level


def count(guest: Guest) -> int:
    """Return the number of pulses that the document of the sensor `main-rpm` contains."""
    body = guest.json("logboat db get /var/lib/logboat/log.db equipment:argo:main-rpm")
    return int(body["count"])


def test_header_belongs_to_the_gpio_group(booted: Guest, header: Header) -> None:
    assert booted.run("stat -c '%G %a' /dev/gpiochip0") == "gpio 660"


def test_contact_changes_the_reading(booted: Guest, header: Header) -> None:
    for level in (True, False, True):
        header.hold(17, level)
        booted.wait_for(f"a reading of {level}", partial(reads, booted, level))


@pytest.mark.parametrize(("number", "hertz"), [(5, 1.0), (300, 100.0), (2000, 1000.0), (10000, 5000.0)])
def test_every_pulse_is_counted(booted: Guest, header: Header, number: int, hertz: float) -> None:
    booted.wait_for("the first count", lambda: "count" in booted.run(_BODY, check=False))
    before = count(booted)
    reached = header.pulses(27, number, hertz)
    # A value is recorded only if it has changed, so slow pulses follow the fast ones.
    header.pulses(27, SLOW, 1.0)
    wanted = before + number + SLOW
    booted.wait_for("the last pulse on record", lambda: count(booted) >= wanted)
    assert count(booted) == wanted
    print(f"{number} pulses at {reached:.0f} Hz: every one counted")


_BODY = "logboat db get /var/lib/logboat/log.db equipment:argo:main-rpm"


def test_output_level_is_read_back(booted: Guest, header: Header) -> None:
    """The user `logboat` drives an output with gpiozero's `LED`, through Logboat's pin factory."""
    program = (
        "import os,sys; os.environ['GPIOZERO_PIN_FACTORY']='gpiod'\n"
        "from gpiozero import LED\n"
        "led = LED(12)\n"
        "for line in sys.stdin:\n"
        "    led.value = int(line); print('done', flush=True)\n"
    )
    until = "until [ -e /tmp/{} ]; do sleep 0.2; done"
    held = f"(echo 1; {until.format('off')}; echo 0; {until.format('end')})"
    held += ' | sudo -u logboat /opt/logboat/bin/python3 -c "$0"'
    booted.run(f"nohup bash -c {_quoted(held)} {_quoted(program)} >/tmp/led 2>&1 </dev/null &")
    booted.wait_for("the light on", lambda: header.level(12))
    booted.run("touch /tmp/off")
    booted.wait_for("the light off", lambda: not header.level(12))
    booted.run("touch /tmp/end")


def test_lights_follow_the_recorder(booted: Guest, header: Header) -> None:
    """The record light is steady while the recorder runs, and blinks fast after the recorder stops."""
    for _ in range(2):
        booted.wait_for("a steady light", partial(is_steady, header, RECORD_LIGHT))
        assert header.level(POWER_LIGHT)
        booted.root("systemctl stop logboat-recorder")
        begun = time.monotonic()
        booted.wait_for("a fast blink", partial(is_blinking, header, RECORD_LIGHT))
        print(f"the record light told of a stop within {time.monotonic() - begun:.0f} s")
        booted.root("systemctl start logboat-recorder")
    booted.wait_for("a steady light", partial(is_steady, header, RECORD_LIGHT))


def is_steady(header: Header, pin: int) -> bool:
    return set(header.look(pin, 2.0)) == {"#"}


def is_blinking(header: Header, pin: int) -> bool:
    """Return True if the light on this pin flashes at least four times in two seconds.

    The limit is half the nominal rate, because timing in an emulator on a busy host is inexact.
    """
    return header.look(pin, 2.0).count(".#") >= 4


def siren(guest: Guest) -> Any:
    """Return the state of the siren from `logboat outputs`."""
    (found,) = guest.json("logboat outputs --json")["outputs"]
    return found


def active(guest: Guest) -> list[Any]:
    """Return the active alarms."""
    return [alarm for alarm in guest.json("logboat alarms --json --all")["alarms"] if alarm["holds"]]


def sound(guest: Guest, header: Header) -> None:
    """Raise an alarm, and wait until its siren is on."""
    header.hold(FLOAT, False)
    guest.wait_for("the end of earlier alarms", lambda: not active(guest))
    header.hold(FLOAT, True)
    guest.wait_for("the siren on", lambda: header.level(SIREN))


def acknowledge(guest: Guest) -> None:
    """Acknowledge the active alarm. Alarms of other tests are no longer active."""
    for alarm in active(guest):
        guest.root(f"logboat ack --by skipper {alarm['id']}")


def test_alarm_drives_the_siren_until_it_is_acknowledged(booted: Guest, header: Header) -> None:
    booted.wait_for("the lights daemon drives the siren", lambda: siren(booted)["on"] is not None)
    sound(booted, header)
    booted.wait_for("its level read back", lambda: siren(booted)["readBack"])
    assert siren(booted)["why"] == "alarm of bilge-float: Water in the bilge"
    acknowledge(booted)
    booted.wait_for("the siren off", lambda: not header.level(SIREN))
    header.hold(FLOAT, False)


def test_command_tests_the_siren(booted: Guest, header: Header) -> None:
    said = booted.root("logboat outputs test siren --for 20s")
    assert "siren is on for 20 s: pin 23; its level was read back and is correct" in " ".join(said.split())
    assert header.level(SIREN)
    booted.wait_for("the siren off", lambda: not header.level(SIREN))


@pytest.mark.parametrize("how", ["KILL", "STOP"])
def test_siren_goes_off_when_the_lights_daemon_is_killed_or_hangs(
    booted: Guest, header: Header, how: str
) -> None:
    """The unit runs `logboat lights off` afterwards. If the daemon is stopped, the watchdog ends it first."""
    sound(booted, header)
    booted.root(f"mkdir -p {ONCE} && printf '[Service]\\nRestart=no\\n' > {ONCE}/once.conf")
    booted.root("systemctl daemon-reload")
    try:
        begun = time.monotonic()
        booted.root(f"systemctl kill --kill-whom=main -s {how} logboat-lights")
        booted.wait_for("the siren off", lambda: not header.level(SIREN))
        print(f"SIG{how}: the siren was off after {time.monotonic() - begun:.0f} s")
        booted.wait_for("the end of the unit", lambda: "failed" in booted.run(_STATE, check=False))
        assert "status=0" in booted.run("systemctl show -p ExecStopPost logboat-lights").splitlines()[-1]
        shown = " ".join(booted.run("logboat status").split())
        assert "ALARMS CANNOT SOUND on siren: the lights daemon is not running" in shown
    finally:
        booted.root(f"rm -r {ONCE} && systemctl daemon-reload && systemctl start logboat-lights")
    booted.wait_for("the siren on again", lambda: header.level(SIREN))
    acknowledge(booted)
    booted.wait_for("the siren off", lambda: not header.level(SIREN))
    header.hold(FLOAT, False)


_STATE = "systemctl is-active logboat-lights"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"
