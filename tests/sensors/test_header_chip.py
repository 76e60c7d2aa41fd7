"""The GPIO header's chip is found by its label, and errors explain what is wrong."""

import errno
from pathlib import Path

import pytest
from gpiozero.pins.pi import PiBoardInfo

from sensors.driver import DriverError
from sensors.gpio.header_chip import HEADER_CHIPS, board_revision, line_error, open_header_chip
from tests.sensors.gpio import Machine

DENIED = OSError(errno.EACCES, "Permission denied")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def found(machine: Machine) -> str:
    return open_header_chip(opener=machine.opener, devices=machine.devices).get_info().name


def refused(machine: Machine, path: str | None = None) -> str:
    with pytest.raises(DriverError) as caught:
        open_header_chip(path, opener=machine.opener, devices=machine.devices)
    return str(caught.value)


@pytest.mark.parametrize("label", HEADER_CHIPS)
def test_the_header_is_found_on_every_board(machine: Machine, label: str) -> None:
    machine.chip(label)
    assert found(machine) == "gpiochip0"


def test_header_of_a_pi_5_is_found_whatever_its_number(machine: Machine) -> None:
    for number in range(4):
        machine.chip(f"gpio-brcmstb@107d5085{number}0", number=number, lines=32)
    machine.chip("pinctrl-rp1", number=4)
    assert found(machine) == "gpiochip4"


def test_other_chip_with_a_lower_number_is_skipped_and_closed(machine: Machine) -> None:
    other = machine.chip("pl061", number=0, lines=8)
    machine.chip("pinctrl-bcm2711", number=1)
    assert found(machine) == "gpiochip1"
    assert not other.open


def test_link_to_a_chip_is_not_a_second_chip(machine: Machine) -> None:
    machine.chip("pl061", number=10)
    (machine.devices / "gpiochip4").symlink_to(machine.devices / "gpiochip10")
    assert refused(machine).endswith("found gpiochip10 (pl061)")


def test_of_two_headers_the_one_with_the_lower_number_is_used(machine: Machine) -> None:
    machine.chip("pinctrl-bcm2835", number=10)
    machine.chip("pinctrl-bcm2835", number=9)
    assert found(machine) == "gpiochip9"


def test_chip_without_permission_does_not_hide_the_header(machine: Machine) -> None:
    machine.chip("pl061", number=0).refuses = DENIED
    machine.chip("pinctrl-bcm2835", number=1)
    assert found(machine) == "gpiochip1"


def test_machine_without_chips_is_reported(machine: Machine) -> None:
    assert "this machine has no GPIO chip" in refused(machine)


def test_error_for_a_machine_without_a_header_lists_its_chips(machine: Machine) -> None:
    machine.chip("pl061", number=0)
    machine.chip("gpio-brcmstb@107d508500", number=1)
    said = refused(machine)
    assert "found gpiochip0 (pl061), gpiochip1 (gpio-brcmstb@107d508500)" in said
    assert "looked for pinctrl-bcm2835, pinctrl-bcm2711, pinctrl-rp1" in said


def test_error_for_a_header_without_permission_names_the_remedy(machine: Machine) -> None:
    machine.chip("pinctrl-bcm2711").refuses = DENIED
    assert "gpiochip0 (cannot be opened: not allowed: the user must be in the group gpio)" in refused(machine)


def test_chip_given_by_path_is_used_whatever_its_label(machine: Machine) -> None:
    machine.chip("gpio-sim", number=3)
    path = str(machine.devices / "gpiochip3")
    chip = open_header_chip(path, opener=machine.opener, devices=machine.devices)
    assert chip.get_info().label == "gpio-sim"


def test_path_without_a_chip_is_named(machine: Machine) -> None:
    assert (
        refused(machine, "/dev/gpiochip7")
        == "the GPIO chip /dev/gpiochip7 cannot be opened (No such file or directory)"
    )


@pytest.mark.parametrize("label", [*HEADER_CHIPS, "gpio-sim"])
def test_every_label_belongs_to_a_board_with_28_gpio_pins(label: str) -> None:
    board = PiBoardInfo.from_revision(board_revision(label))
    assert {f"GPIO{number}" for number in range(28)} <= {
        pin.name for pin in board.headers["J8"].pins.values()
    }


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (errno.EACCES, "not allowed: the user must be in the group gpio"),
        (errno.EPERM, "not allowed: the user must be in the group gpio"),
        (errno.EINVAL, "the kernel rejects these settings"),
        (errno.EOPNOTSUPP, "the chip does not support this"),
        (524, "the chip does not support this"),
        (errno.ENXIO, "the line has no interrupts"),
        (errno.ENODEV, "the chip no longer exists"),
        (errno.EMFILE, "Too many open files"),
    ],
)
def test_error_for_an_unusable_line_states_the_reason(machine: Machine, number: int, told: str) -> None:
    chip = machine.chip("pinctrl-bcm2711")
    error = line_error(chip, 17, OSError(number, "Too many open files"))
    assert str(error) == f"GPIO17 on pinctrl-bcm2711 cannot be used: {told}"


def test_error_for_a_line_in_use_names_its_user_and_the_remedy(machine: Machine) -> None:
    chip = machine.chip("pinctrl-bcm2711")
    chip.lines[8].holder = "spi0 CS0"
    said = str(line_error(chip, 8, OSError(errno.EBUSY, "Device or resource busy")))
    assert said.startswith("GPIO8 on pinctrl-bcm2711 is in use by spi0 CS0; use another pin")
    assert "/boot/firmware/config.txt" in said


def test_line_used_by_an_unnamed_program_is_still_in_use(machine: Machine) -> None:
    chip = machine.chip("pinctrl-bcm2711")
    said = str(line_error(chip, 8, OSError(errno.EBUSY, "Device or resource busy")))
    assert "in use by another program or overlay" in said
