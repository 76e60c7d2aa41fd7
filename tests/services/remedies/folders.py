"""Mistakes whose remedy changes more than a few lines, or changes another file."""

from .cases import PEM, RECORDING, SENSORS, VESSEL, FolderCase
from .syntax import ALARM

CONTACT = '[[sensor]]\nid = "float"\nkind = "switch"\npin = 17\npath = "bilge.main.highWater"\n'
CHIP = (
    '[[sensor]]\nid = "air"\nkind = "bme280"\nmeasure = "pressure"\npath = "environment.inside.a.pressure"\n'
)
DHT22 = (
    '[[sensor]]\nid = "{id}"\nkind = "dht22"\npin = {pin}\nmeasure = "temperature"\n'
    'path = "environment.inside.{id}.temperature"\n'
)
FAMILY_3B = (
    '[[sensor]]\nid = "{id}"\nkind = "{kind}"\naddress = "3b-0000001c2d3{last}"\n'
    'path = "environment.inside.{id}.temperature"\n'
)
RESISTIVE = (
    '[[sensor]]\nid = "fuel"\nkind = "analog"\nchip = "mcp3008"\nchannel = 0\npull_up = "{pull_up}"\n'
    'sender = [["1 kohm", "0 %"], ["10 kohm", "100 %"]]\npath = "tanks.fuel.main.currentLevel"\n'
)
SUPERVISED = (
    '[[sensor]]\nid = "smoke"\nkind = "supervised"\nchip = "ads1115"\nchannel = 0\npull_up = "10 kohm"\n'
    'end_of_line = "10 kohm"\nin_series = "2.2 kohm"\npath = "engineRoom.smoke"\nunit = "bool"\n'
)
SIGNED = (
    '[[sensor]]\nid = "amps"\nkind = "analog"\nchip = "ads1115"\nchannel = {channel}\n'
    'sender = [["-2 V", "-50 A"], ["2 V", "50 A"]]\npath = "electrical.batteries.a.current"\n'
)
INPUT = """
[[sensor]]
id = "{id}"
kind = "analog"
chip = "ads1115"
channel = {channel}
address = {address}
calibration = [[0.9, 0.0], [2.4, 12.0]]
valid = [0.5, 2.9]
path = "electrical.batteries.a.voltage"
"""
INPUTS = "".join(
    INPUT.format(id=name, channel=channel, address="0x48")
    for name, channel in {"a": 0, "b": 1, "c": 2, "d": '"0-1"'}.items()
)
LEVEL = (
    '[[sensor]]\nid = "fuel"\nkind = "analog"\nchip = "mcp3008"\nchannel = 0\nvalid = [0.5, 2.9]\n'
    'calibration = [[0.9, 0.0], [2.4, 1.0]]\npath = "tanks.fuel.main.currentLevel"\n'
)
GATEWAY = '[[gateway]]\nname = "office"\nkind = "mqtt"\nurl = "mqtts://office.example.org"\n'
WITH_PASSWORD = f"{GATEWAY}user = 'a'\npassword_file = 'office.password'\n"
NETWORK = '[network]\ncountry = "DE"\n'
WIFI = '[[network.wifi]]\nssid = "marina"\n'
LOG = "time,seq,value,unit,quality\n2024-06-01T00:00:00Z,1,12.8,V,good\n2024-06-01T00:00:01Z,2,12.7,V,good\n"
NO_LIGHT = "[lights]\npower = 0\n"

SIREN = '[[output]]\nid = "siren"\npin = 23\nwhen_silent = true\n'


def sensors(what: str, before: str | bytes, after: str | bytes) -> FolderCase:
    """Return a case with only a `sensors.toml`, before and after the remedy."""
    return FolderCase(what, "sensors.toml", {"sensors.toml": before}, {"sensors.toml": after})


def vessel(what: str, before: str | bytes, after: str | bytes) -> FolderCase:
    """Return a case with only a `vessel.toml`, before and after the remedy."""
    return FolderCase(what, "vessel.toml", {"vessel.toml": before}, {"vessel.toml": after})


PLACES = [
    vessel("key above its section", f'id = "argo"\n{NO_LIGHT}', f'{NO_LIGHT}[vessel]\nid = "argo"\n'),
    vessel(
        "two keys above one section",
        f'id = "argo"\nname = "Argo"\n{NO_LIGHT}',
        f'{NO_LIGHT}[vessel]\nid = "argo"\nname = "Argo"\n',
    ),
    vessel("key above the first line", f"power = 0\n{NO_LIGHT[:9]}", NO_LIGHT),
    vessel("key in another section", '[vessel]\nrole = "hub"\n', '[vessel]\n[mesh]\nrole = "hub"\n'),
    vessel("key of an inner section", f'[vessel]\nssid = "marina"\n{NETWORK}', f"[vessel]\n{NETWORK}{WIFI}"),
    vessel(
        "key below an inner section",
        f"{NETWORK}{WIFI}ssh_interfaces = ['eth0']\n",
        f"[network]\nssh_interfaces = ['eth0']\ncountry = 'DE'\n{WIFI}",
    ),
    vessel(
        "key of a table in braces",
        f"{NETWORK}wifi = [{{ ssid = 'a' }}]\npriority = 5\n",
        f"{NETWORK}wifi = [{{ ssid = 'a', priority = 5 }}]\n",
    ),
    vessel(
        "key of one table in braces",
        f"{NETWORK}vessel_radio = {{ mode = 'mesh' }}\nchannel = 6\n",
        f"{NETWORK}vessel_radio = {{ mode = 'mesh', channel = 6 }}\n",
    ),
    vessel(
        "header without its first name",
        f'{NETWORK}[[wifi]]\nssid = "a"\n',
        f'{NETWORK}[[network.wifi]]\nssid = "a"\n',
    ),
    vessel(
        "header of a list in a list",
        f"{GATEWAY}[[policy]]\nchannels = ['alarms']\n",
        f"{GATEWAY}[[gateway.policy]]\nchannels = ['alarms']\n",
    ),
    vessel("value in place of a section", "clock = 5\n", "[clock]\n"),
    vessel("sensor in vessel.toml", f"{NO_LIGHT}{CONTACT}", NO_LIGHT),
    vessel("missing partner", GATEWAY + "password_file = 'a.password'\n", GATEWAY + "user = 'a'\n"),
    vessel(
        "misspelt partner", GATEWAY + "usr = 'a'\npassword_file = 'a.password'\n", GATEWAY + "user = 'a'\n"
    ),
]
"""Keys in the wrong section."""

FILES = [
    sensors("empty file", "", CONTACT),
    vessel("empty vessel.toml", "\n", "# empty on purpose\n"),
    sensors("no sensor", "# nothing yet\n", "no_sensors = true\n"),
    sensors("only outputs", SIREN, f"no_sensors = true\n{SIREN}"),
    sensors("sensors although there are none", f"no_sensors = true\n{CONTACT}", CONTACT),
    sensors("single brackets", SENSORS.replace("[[", "[").replace("]]", "]", 1), SENSORS),
    sensors("one pair of single brackets", CONTACT.replace("[[", "[").replace("]]", "]"), CONTACT),
    sensors("not UTF-8", CONTACT.encode() + b"# \xfc\n", CONTACT + "# \u00fc\n"),
    sensors("too long", CONTACT + 30_000 * "# a comment\n", CONTACT),
    sensors("nested brackets", CONTACT + f"x = {5000 * '['}\n", CONTACT),
    sensors("huge number", CONTACT + f"deadband = {5000 * '1'}\n", CONTACT),
    sensors("name of many parts", CONTACT + "a.b.c.d.e.f.g.h.i.j = 1\n", CONTACT),
    FolderCase("file of no kind", "boat.toml", {"boat.toml": "a = 1\n"}, {"boat.toml": CONTACT}),
    FolderCase("missing file", "logboat.toml", {}, {"logboat.toml": NO_LIGHT}),
]
"""Mistakes that concern a whole file."""

OTHERS = [
    FolderCase(
        "pin of a light",
        "sensors.toml",
        {"sensors.toml": CONTACT, "vessel.toml": "[lights]\npower = 17\n"},
        {"vessel.toml": NO_LIGHT},
    ),
    FolderCase(
        "pin of the pulse per second",
        "sensors.toml",
        {"sensors.toml": CONTACT, "vessel.toml": "[clock]\npps = 17\n"},
        {"vessel.toml": "[clock]\npps = 18\n"},
    ),
    FolderCase(
        "bus of a light",
        "sensors.toml",
        {"sensors.toml": CHIP, "vessel.toml": "[lights]\npower = 2\n"},
        {"vessel.toml": NO_LIGHT},
    ),
    FolderCase(
        "missing password file",
        "vessel.toml",
        {"vessel.toml": WITH_PASSWORD},
        {"office.password": "secret\n"},
    ),
    FolderCase(
        "empty password file",
        "vessel.toml",
        {"vessel.toml": WITH_PASSWORD, "office.password": "\n"},
        {"office.password": "secret\n"},
    ),
    FolderCase(
        "password below an empty line",
        "vessel.toml",
        {"vessel.toml": WITH_PASSWORD, "office.password": "\nsecret\n"},
        {"office.password": "secret\n"},
    ),
    FolderCase(
        "password not in UTF-8",
        "vessel.toml",
        {"vessel.toml": WITH_PASSWORD, "office.password": b"\xfc\n"},
        {"office.password": "\u00fc\n"},
    ),
    FolderCase(
        "certificate that is none",
        "vessel.toml",
        {"vessel.toml": f"{GATEWAY}ca = 'ca.pem'\n", "ca.pem": "certificate\n"},
        {"ca.pem": PEM},
    ),
    vessel("certificate in another folder", f"{GATEWAY}ca = '/tmp/x/ca.pem'\n", f"{GATEWAY}ca = 'ca.pem'\n"),
    FolderCase("folder without a configuration", ".", {}, {"sensors.toml": CONTACT}),
    FolderCase(
        "recording in another unit",
        "sensors.toml",
        {"sensors.toml": SENSORS.replace("batteries.1.voltage", "batteries.1.current"), "yacht.csv": LOG},
        {"sensors.toml": SENSORS},
    ),
    FolderCase(
        "missing recording",
        "sensors.toml",
        {"sensors.toml": SENSORS.replace("yacht.csv", "other.csv")},
        {"other.csv": RECORDING},
    ),
    FolderCase(
        "recording of another path",
        "sensors.toml",
        {"sensors.toml": SENSORS.replace("batteries.1", "batteries.2")},
        {"yacht.csv": RECORDING.replace("batteries.1", "batteries.2")},
    ),
    sensors(
        "two chips at one address",
        f'{CHIP}address = 0x76\n[[sensor]]\nid = "b"\nkind = "bme680"\nmeasure = "pressure"\naddress = 0x76\n'
        'path = "environment.inside.b.pressure"\n',
        f'{CHIP}address = 0x76\n[[sensor]]\nid = "b"\nkind = "bme680"\nmeasure = "pressure"\naddress = 0x77\n'
        'path = "environment.inside.b.pressure"\n',
    ),
    sensors(
        "two DHT22 at one pin",
        DHT22.format(id="a", pin=22) + DHT22.format(id="b", pin=22),
        DHT22.format(id="a", pin=22) + DHT22.format(id="b", pin=12),
    ),
    sensors(
        "DS1825 and MAX31850 at one address",
        FAMILY_3B.format(id="a", kind="ds1825", last="e")
        + FAMILY_3B.format(id="b", kind="max31850", last="e"),
        FAMILY_3B.format(id="a", kind="ds1825", last="e")
        + FAMILY_3B.format(id="b", kind="max31850", last="f"),
    ),
    sensors(
        "bus with a pin of another bus",
        f"{LEVEL}{CHIP}bus = 4\naddress = 0x76\n",
        f"{LEVEL}{CHIP}address = 0x76\n",
    ),
    sensors(
        "five inputs of one converter",
        INPUTS + INPUT.format(id="e", channel=3, address="0x48"),
        INPUTS + INPUT.format(id="e", channel=3, address="0x49"),
    ),
    sensors("number as an id", SENSORS.replace("density", "12").replace("house *", "12 * house *"), SENSORS),
    sensors("small pull-up", RESISTIVE.format(pull_up="1 ohm"), RESISTIVE.format(pull_up="2 kohm")),
    sensors(
        "reference of a converter that has its own",
        SUPERVISED + 'reference = "5 V"\n',
        SUPERVISED,
    ),
    sensors("negative voltages", SIGNED.format(channel=0), SIGNED.format(channel='"0-1"')),
    vessel("alarm in vessel.toml", VESSEL + ALARM + "\n", VESSEL),
]
"""Mistakes whose remedy is in another file or section."""
