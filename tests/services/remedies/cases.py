"""Valid configuration files, and the two classes that describe a mistake in a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sensors.toml.toml_file import FileProblem
from services.config.check import check

from .certificates import WIFI_FILES

SENSORS = """\
[[sensor]]
id = "bilge-float"
kind = "switch"
pin = 17
pull = "up"
active = "low"
debounce = "50 ms"
path = "bilge.main.highWater"
alarm = { when = "active", for = "10 s", severity = "alarm", text = "Water" }

[[sensor]]
id = "rpm"
kind = "pulse"
pin = 27
pulses_per_unit = 12
rate = "5 Hz"
path = "propulsion.main.revolutions"

[[sensor]]
id = "fuel"
kind = "analog"
chip = "mcp3008"
channel = 0
calibration = [[0.94, 0.0], [1.5, 0.4], [2.41, 1.0]]
valid = [0.5, 2.9]
path = "tanks.fuel.main.currentLevel"
deadband = "1 %"

[[sensor]]
id = "oil"
kind = "analog"
chip = "ads1115"
channel = 3
calibration = [[0.6, "0 bar"], [3.0, "10 bar"]]
valid = [0.4, 3.1]
path = "propulsion.main.oilPressure"
alarm = { below = "1 bar", hysteresis = "0.1 bar", severity = "alarm" }

[[sensor]]
id = "air"
kind = "bme280"
address = 0x76
measure = "temperature"
path = "environment.inside.saloon.temperature"
offset = "-0.8 °C"

[[sensor]]
id = "humidity"
kind = "bme280"
address = 0x76
measure = "relativeHumidity"
path = "environment.inside.saloon.relativeHumidity"

[[sensor]]
id = "coolant"
kind = "ds18b20"
address = "28-0316a2795cff"
every = "2 s"
path = "propulsion.main.coolantTemperature"
alarm = { above = "95 °C", below = "1 °C", hysteresis = "2 °C", severity = "warn" }

[[sensor]]
id = "exhaust"
kind = "ds18b20"
address = "28-0316a2795d00"
every = "3 s"
path = "propulsion.main.exhaustTemperature"

[[sensor]]
id = "alternator"
kind = "pulse"
pin = 22
poles = 12
ratio = 2.5
path = "electrical.alternators.main.revolutions"

[[sensor]]
id = "house"
kind = "ina219"
shunt = "100 A / 75 mV"
measure = "current"
path = "electrical.batteries.house.current"

[[sensor]]
id = "pump-hours"
kind = "runtime"
pin = 25
pull = "none"
path = "bilge.main.pump.runTime"

[[sensor]]
id = "pump-starts"
kind = "runtime"
measure = "starts"
pin = 25
pull = "none"
path = "bilge.main.pump.starts"

[[sensor]]
id = "density"
kind = "manual"
path = "environment.outside.airDensity"
alarm = { above = 1.5, severity = "warn" }

[[sensor]]
id = "fresh-water"
kind = "manual"
path = "tanks.freshWater.main.currentVolume"
alarm = { below = "50 l", severity = "warn" }

[[sensor]]
id = "shaft"
kind = "manual"
path = "propulsion.main.shaftPower"
unit = "W"

[[sensor]]
id = "recorded"
kind = "replay"
file = "yacht.csv"
path = "electrical.batteries.1.voltage"
"""
COMPUTED = """\

[[sensor]]
id = "aft-water"
kind = "analog"
chip = "ads1115"
channel = 2
sender = [["240 ohm", "0 %"], ["33 ohm", "100 %"]]
pull_up = "240 ohm"
path = "tanks.freshWater.aft.currentLevel"

[[sensor]]
id = "gearbox"
kind = "analog"
chip = "mcp3208"
address = 1
channel = 5
sender = [["4 mA", "0 bar"], ["20 mA", "16 bar"]]
loop_resistor = "150 ohm"
path = "propulsion.main.transmission.oilPressure"

[[sensor]]
id = "fuel-pressure"
kind = "analog"
chip = "mcp3208"
address = 1
channel = 6
sender = [["0.5 V", "0 bar"], ["4.5 V", "10 bar"]]
divider = 2.0
path = "propulsion.main.fuel.pressure"

[[sensor]]
id = "intake"
kind = "analog"
chip = "ads1115"
channel = 1
beta = 3950
r25 = "10 kohm"
pull_up = "10 kohm"
path = "propulsion.main.intakeManifoldTemperature"

[[sensor]]
id = "motor"
kind = "analog"
channel = "0-1"
chip = "ads1115"
shunt = "200 A / 50 mV"
address = 0x49
path = "electrical.batteries.motor.current"

[[sensor]]
id = "heading"
kind = "manual"
path = "navigation.headingTrue"

[[sensor]]
id = "house-power"
kind = "derived"
value = "house * recorded"
path = "electrical.solar.house.panelPower"

[[sensor]]
id = "rise"
kind = "derived"
value = "coolant - exhaust"
path = "propulsion.main.temperatureDifference"
unit = "K"

[[sensor]]
id = "average"
kind = "derived"
value = "mean(coolant, exhaust)"
path = "propulsion.aft.temperature"

[[sensor]]
id = "smoke"
kind = "supervised"
chip = "mcp3008"
channel = 1
pull_up = "9.1 kohm"
end_of_line = "10 kohm"
in_series = "2.2 kohm"
path = "engineRoom.smoke"
unit = "bool"

[[sensor]]
id = "bow-pump"
kind = "mcp23017"
address = 0x21
input = "A3"
path = "bilge.bow.pump.state"

[[sensor]]
id = "bow-pump-hours"
kind = "mcp23017"
input = "A3"
address = 0x21
measure = "time"
start = "120 h"
path = "bilge.bow.pump.runTime"
"""
OUTPUTS = """\

[[output]]
id = "siren"
pin = 20
on = ["alarm", "emergency"]
pattern = "slow"
longest = "15 min"
pause = "5 min"
neighbours = true
silence_pin = 24

[[output]]
id = "lamp"
pin = 21
when_silent = true
pattern = "3 flashes"
"""
SERVICES = """\

[[service]]
name = "Pump impeller"
sensor = "pump-hours"
every = "250 h"
or_every = "12 months"
warn_before = "25 h"
last_hours = "100 h"
text = "Impeller 09-1027B"

[[service]]
id = "rigging"
name = "Standing rigging"
every = "5 years"
last_done = 2026-05-14
"""
SENSORS += COMPUTED + OUTPUTS + SERVICES
HASH = "scrypt$8192$8$1$cQv5wvzFlGCK8Rqa9BCF2g$CDaYbf0o/ZuDR4CWzvF/DO4xMz0mhpXv7698J6aktbg"
SSH_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB0Jb9hVVXSPpCqMq2oGq8mJ2Bq7Qx1rWZ7o0i0QmM9k crew@argo"
VESSEL = f"""\
# the motor yacht Argo
[vessel]
id = "argo"
name = "Argo"
mmsi = 211234560
timezone = "Europe/Berlin"

[network]
country = "DE"
wifi = [{{ ssid = "marina", password = "correct horse", hidden = true }}]
vessel_radio = {{ mode = "mesh", channel = 11 }}
ethernet = {{ address = "192.168.1.10/24", gateway = "192.168.1.1" }}
ssh_keys = ["{SSH_KEY}"]
ssh_interfaces = ["eth0"]

[listener]
port = 4985

[[user]]
name = "bridge"
password_hash = "{HASH}"
channels = ["alarms"]

[mesh]
role = "hub"

[[gateway]]
name = "office"
kind = "mqtt"
url = "mqtts://office.example.org"
limit = "20 kB/s"

[[gateway]]
name = "shore"
kind = "couchbase"
url = "wss://shore.example.org/fleet"
direction = "both"
channels = ["notes"]
certificate = "shore.pem"
key = "shore.key"
policy = [{{ channels = ["alarms"], when = "interface != satellite" }}]

[retention]
budget = "20 GB"

[lights]
power = 0
active = "low"
single = "ACT"
night = "22:00-06:00"

[clock]
pps = 18
gnss = "/dev/ttyACM0"
baud = 9600
"""
RECORDING = "time,path,value\n0,electrical.batteries.1.voltage,12.8\n1,electrical.batteries.1.voltage,12.7\n"
FILES = {"sensors.toml": SENSORS, "vessel.toml": VESSEL}
PEM = "-----BEGIN CERTIFICATE-----\n"
BESIDE: dict[str, str | bytes] = {
    "yacht.csv": RECORDING,
    "ca.pem": PEM,
    "shore.pem": PEM,
    "shore.key": "-----BEGIN PRIVATE KEY-----\n",
    "shore.session": "1234\n",
    **WIFI_FILES,
}
"""Files that are in the folder of every case, in addition to those of the case."""


@dataclass(frozen=True)
class FolderCase:
    """Files of which one has a mistake, and the files that are replaced or added to follow the remedy."""

    what: str
    """Name of the mistake."""
    name: str
    """Name of the file that is checked."""
    before: Mapping[str, str | bytes]
    after: Mapping[str, str | bytes]

    def refusal(self, folder: Path) -> FileProblem:
        """Return the first problem that is reported before the remedy is applied."""
        write(folder, {**BESIDE, **self.before})
        refused = check(folder / self.name)
        assert not refused.good, f"{self.what}: the file is accepted"
        return (*refused.problems, *refused.warnings)[0]


@dataclass(frozen=True)
class Case:
    """Lines of a valid file, the same lines with a mistake, and the lines after the remedy was applied."""

    good: str
    slip: str
    remedied: str = ""
    """Lines after the remedy was applied; empty if these are the lines of the valid file."""
    chosen: str = field(default="", kw_only=True)
    """Words in the remedied lines that the user chooses and the message does not contain, such as an id."""
    at: str = field(default="", kw_only=True)
    """Start of the line that the message names; empty if it is a line of the mistake or the header above."""

    @property
    def what(self) -> str:
        """Name of the mistake."""
        return self.slip

    @property
    def name(self) -> str:
        """Name of the file."""
        return next(name for name, text in FILES.items() if f"{self.good}\n" in text)

    @property
    def parts(self) -> tuple[str, str]:
        """Parts of the valid file before and after the lines of the case."""
        before, after = FILES[self.name].split(f"{self.good}\n", maxsplit=1)
        return before, after

    def text(self, lines: str) -> str:
        """Return the valid file, with these lines in place of the lines of the case."""
        before, after = self.parts
        return f"{before}{lines}\n{after}"

    def refusal(self, folder: Path) -> FileProblem:
        """Return the first problem that is reported for the file with the mistake."""
        return self.as_folder().refusal(folder)

    def as_folder(self) -> FolderCase:
        """Return the same mistake and remedy as whole files."""
        remedied = self.text(self.remedied or self.good)
        return FolderCase(self.what, self.name, {self.name: self.text(self.slip)}, {self.name: remedied})


def write(folder: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files to a folder. Create the folder if necessary."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
