"""New overlay lines in config.txt cause a single restart of the machine, and never a loop of restarts."""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from provisioning.overlays import configtxt
from provisioning.overlays.configtxt import decide, digest, has, rewritten
from provisioning.overlays.kernel_settings import KernelConfiguration, kernel_configuration
from sensors.config.loader import load_sensors

SENSORS = """\
[[sensor]]
id = "float"
kind = "switch"
pin = 17
path = "bilge.main.highWater"
[[sensor]]
id = "exhaust"
kind = "ds18b20"
path = "propulsion.main.exhaustTemperature"
[[sensor]]
id = "fuel"
kind = "analog"
chip = "mcp3008"
channel = 0
calibration = [[0.4, 1.0], [1.65, 0.0]]
valid = [0.2, 2.5]
path = "tanks.fuel.main.currentLevel"
[[sensor]]
id = "water"
kind = "analog"
chip = "mcp3008"
channel = 1
calibration = [[0.4, 1.0], [1.65, 0.0]]
valid = [0.2, 2.5]
path = "tanks.freshWater.main.currentLevel"
[[sensor]]
id = "humidity"
kind = "bme280"
measure = "relativeHumidity"
path = "environment.inside.saloon.relativeHumidity"
[[sensor]]
id = "house"
kind = "ina226"
address = 0x41
measure = "voltage"
path = "electrical.batteries.1.voltage"
"""


def test_each_chip_and_bus_has_its_line_once(tmp_path: Path) -> None:
    (tmp_path / "sensors.toml").write_text(SENSORS)
    found = kernel_configuration(load_sensors(tmp_path / "sensors.toml"), rtc="ds3231", pps=18)
    assert found.lines == (
        "dtparam=i2c_arm=on",
        "dtparam=spi=on",
        "dtoverlay=w1-gpio",
        "dtoverlay=mcp3008,spi0-0-present",
        "dtoverlay=i2c-sensor,bme280,addr=0x76",
        "dtoverlay=i2c-rtc,ds3231",
        "dtoverlay=pps-gpio,gpiopin=18",
    )
    assert found.devices == ((1, "ina226", 0x41),)
    assert kernel_configuration([]) == KernelConfiguration()


def test_our_section_is_at_the_end_for_all_models() -> None:
    text = rewritten("arm_64bit=1\n[pi4]\narm_boost=1", ["dtparam=spi=on"])
    assert text.splitlines()[:5] == ["arm_64bit=1", "[pi4]", "arm_boost=1", configtxt.BEGIN, "[all]"]
    assert text.splitlines()[5:] == ["dtparam=spi=on", configtxt.END]


LINES = st.lists(st.sampled_from(["dtparam=spi=on", "dtoverlay=w1-gpio", "dtparam=i2c_arm=on"]), unique=True)


@given(st.text(st.sampled_from("ab=[]#\n\r")), LINES, LINES)
def test_other_lines_of_config_txt_are_not_changed(text: str, first: list[str], second: list[str]) -> None:
    once = rewritten(text, first)
    assert has(once, first)
    again = rewritten(once, second)
    assert has(again, second)
    assert rewritten(again, first).removesuffix("\n") == once.removesuffix("\n")
    assert rewritten(again, []).removesuffix("\n") == text.removesuffix("\n")


def test_new_lines_are_written_to_both_slots_and_need_one_restart() -> None:
    lines = ["dtparam=spi=on"]
    decision = decide(["", ""], lines, active=0, asked=None)
    assert (decision.write, decision.restart) == ((0, 1), True)
    there = rewritten("", lines)
    assert decide([there, there], lines, active=0, asked=digest(lines)) == configtxt.Decision(
        (), restart=False
    )


def test_lines_that_did_not_persist_are_not_written_again() -> None:
    lines = ["dtparam=spi=on"]
    decision = decide(["", ""], lines, active=0, asked=digest(lines))
    assert (decision.write, decision.restart, decision.gave_up) == ((), False, True)


def test_change_in_the_inactive_slot_needs_no_restart() -> None:
    lines = ["dtparam=spi=on"]
    decision = decide([rewritten("", lines), ""], lines, active=0, asked=None)
    assert (decision.write, decision.restart) == ((1,), False)


def test_pins_of_removed_sensors_are_freed_after_a_restart() -> None:
    there = rewritten("", ["dtparam=spi=on"])
    decision = decide([there, there], [], active=1, asked=digest(["dtparam=spi=on"]))
    assert (decision.write, decision.restart) == ((0, 1), True)
    assert rewritten(there, []) == ""


def test_our_section_is_kept_when_another_system_is_written_to_a_slot() -> None:
    old = rewritten("arm_64bit=1\n", ["dtparam=spi=on"])
    assert configtxt.carried(old, "next=1\n") == rewritten("next=1\n", ["dtparam=spi=on"])
    assert configtxt.carried("", "next=1\n") == "next=1\n"
