"""A simulated GPIO chip in a virtual machine.

Debian's kernel does not include gpio-sim, so the module is built from the source in Debian's package. The
build changes the source so that it can be compiled as a separate module.
"""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.image.guest import Guest

CHIP = "/sys/devices/platform/gpio-sim.0/gpiochip0"
LABEL = "pinctrl-bcm2711"
LINES = 58
"""Number of GPIO lines, the same as on a Raspberry Pi 4."""

_BUILD = r"""
set -e
mkdir -p "$1/m" && cd "$1/m"
source=$(ls "$1"/usr/src/linux-source-6.12.tar.*)
for file in drivers/gpio/gpio-sim.c kernel/irq/irq_sim.c; do
  tar -xf "$source" --to-stdout "linux-source-6.12/$file" > "$(basename $file)"
done
# A module must say what it is; and may not look into the interrupt's description itself.
sed -i 's/handle_simple_irq(irq_to_desc(irqnum))/generic_handle_irq(irqnum)/' irq_sim.c
sed -i '1a #include <linux/module.h>' irq_sim.c
echo 'MODULE_DESCRIPTION("simulated interrupts"); MODULE_LICENSE("GPL");' >> irq_sim.c
echo 'obj-m := irq_sim.o gpio-sim.o' > Makefile
chroot "$1" make -s -C /usr/src/linux-headers-KERNEL M=/m modules
mkdir -p OUTPUT
cp irq_sim.ko gpio-sim.ko OUTPUT/
"""


def build(kernel: str, architecture: str, cache: Path) -> Path:
    """Return a folder with the gpio-sim modules for a kernel. They are built only once per kernel."""
    folder = cache / f"gpio-sim-{kernel}"
    if (folder / "gpio-sim.ko").exists():
        return folder
    scratch = cache / "gpio-sim.new"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    hook = _BUILD.replace("KERNEL", kernel).replace("OUTPUT", str(scratch))
    packages = f"gcc,make,linux-source-6.12,linux-headers-{kernel}"
    subprocess.run(
        [
            *("mmdebstrap", "--variant=apt", "--mode=root", f"--architectures={architecture}"),
            *(f"--include={packages}", f"--customize-hook={hook}", "trixie", "/dev/null"),
        ],
        check=True,
        env={**os.environ, "TMPDIR": str(cache)},
    )
    shutil.rmtree(folder, ignore_errors=True)
    scratch.rename(folder)
    return folder


@dataclass(slots=True)
class Header:
    """Simulated GPIO header of a virtual machine."""

    guest: Guest

    @classmethod
    def fit(cls, guest: Guest, modules: Path) -> "Header":
        """Load the gpio-sim modules in the guest, create a GPIO chip, and return its header."""
        for name in ("irq_sim.ko", "gpio-sim.ko"):
            guest.put(modules / name, name)
        guest.root("cd /home/skipper && modprobe configfs && insmod irq_sim.ko && insmod gpio-sim.ko")
        guest.root(
            "cd /sys/kernel/config/gpio-sim && mkdir -p header/bank0"
            f" && echo {LINES} > header/bank0/num_lines && echo {LABEL} > header/bank0/label"
            " && echo 1 > header/live"
        )
        guest.root("udevadm settle")
        guest.put(Path(__file__).with_name("drive.py"), "drive.py")
        return cls(guest)

    def hold(self, pin: int, level: bool) -> None:
        """Hold a line at a level until the next call, as an external contact does.

        The level is written repeatedly, because the recorder configures the line of a debounced contact every
        few seconds. Each time, gpio-sim applies the pull resistor that the recorder has set.
        """
        unit, pull = f"hold-{pin}", "pull-up" if level else "pull-down"
        command = f"python3 /home/skipper/drive.py {CHIP}/sim_gpio{pin}/pull {pull} 10"
        self.guest.root(
            f"systemctl stop {unit} 2>/dev/null; systemd-run --quiet --unit={unit} --collect {command}"
        )

    def pulses(self, pin: int, count: int, hertz: float) -> float:
        """Generate `count` pulses on a line, and return the actual rate in pulses per second."""
        said = self.guest.root(
            f"python3 /home/skipper/drive.py {CHIP}/sim_gpio{pin}/pull {count} {hertz}",
            seconds=count / hertz * 4 + 120,
        )
        return float(said)

    def look(self, pin: int, seconds: float) -> str:
        """Sample the level of a line 40 times a second, and return `#` for each high and `.` for each low."""
        script = f"python3 /home/skipper/drive.py {CHIP}/sim_gpio{pin}/value {round(seconds * 40)} 40"
        return self.guest.root(script, seconds=seconds * 4 + 60)

    def level(self, pin: int) -> bool:
        """Return True if the guest drives a line to the high level."""
        return self.guest.root(f"cat {CHIP}/sim_gpio{pin}/value") == "1"
