"""The files `logboat.toml` and `vessel.toml` have defaults, and mistakes in them are reported."""

import zoneinfo
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sensors.config.loader import load_sensors
from sensors.settings import SensorsFile
from sensors.toml.reference import describe
from sensors.toml.syntax_errors import REPEATABLE
from sensors.toml.toml_file import ConfigurationError
from services.config.loader import load, reserved_pins
from services.config.model import (
    Configuration,
    GatewaySection,
    LightsSection,
    ListenerSection,
    MeshSection,
    Policy,
    RetentionSection,
    UserSection,
    VesselSection,
)
from services.config.network_model import AccessPoint, NetworkSection, VesselRadio, Wifi
from services.documents.budget import Budget

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample crew@argo"
HASH = "scrypt$8192$8$1$AAAAAAAAAAAAAAAAAAAAAA$y2a++bDSlNiAYmN3ByZrFcnHwduVyzJE2B2ldQkq8Kk"
USER = f"[[user]]\nname = 'a'\npassword_hash = '{HASH}'\n"
WHOLE = f"""\
[vessel]
id = "argo"
name = "SY Argo"
mmsi = 211234560
timezone = "Europe/Berlin"

[network]
country = "DE"
wifi = [{{ ssid = "marina", password = "harbour-master", priority = 10 }}, {{ ssid = "open" }}]
access_point = {{ ssid = "argo", password = "crew-of-argo" }}
vessel_radio = {{ mode = "mesh", channel = 6 }}         # mesh (802.11s) | adhoc | off
ssh_keys = ["{KEY}"]

[listener]
port = 4985
interfaces = ["wlan0", "eth0"]

[[user]]
name = "bridge"
password_hash = "{HASH}"
access = "read-only"
channels = ["alarms", "vessel.argo"]

[mesh]
role = "hub"
max_peers = 4
static = ["wss://brigid.local:4984", "ws://[fe80::1]:4984"]
hub = ["argo"]
direction = "push"

[[gateway]]
name = "office"
kind = "couchbase"
url = "wss://sync.example.org:4984/fleet"
user = "argo"
password_file = "office.password"
direction = "both"
policy = [
  {{ channels = ["alarms", "equipment"] }},
  {{ channels = ["readings"], when = "interface!=satellite", limit = "50 kB/s" }},
]

[[gateway]]
name = "broker"
kind = "mqtt"
url = "mqtts://broker.example.org"

[retention]
budget = "20 GB"

[lights]
power = 0
record = 20
"""

Problems = Callable[[str], list[str]]


@pytest.fixture(autouse=True)
def zones(tmp_path: Path) -> Iterator[None]:
    """Make three time zones available, whichever time zones are installed on this machine."""
    folder = tmp_path / "zoneinfo"
    # RFC 8536: a header with one type and four characters of names, followed by UTC's
    tzif = b"TZif" + bytes(16) + bytes(16) + (1).to_bytes(4) + (4).to_bytes(4) + bytes(6) + b"UTC\0"
    for name in ("Europe/Berlin", "Atlantic/Azores", "UTC"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(tzif)
    zoneinfo.reset_tzpath(to=[str(folder)])
    yield
    zoneinfo.reset_tzpath()


@pytest.fixture
def problems(tmp_path: Path) -> Problems:
    """Return a function that lists every problem in a text, as `line: …`."""

    def finder(text: str) -> list[str]:
        path = tmp_path / "logboat.toml"
        path.write_text(text)
        try:
            load(path)
        except ConfigurationError as error:
            return [str(problem).removeprefix("logboat.toml:") for problem in error.problems]
        return []

    return finder


def test_every_section_and_key_is_read_with_its_type(tmp_path: Path) -> None:
    path = tmp_path / "vessel.toml"
    path.write_text(WHOLE)
    assert load(path) == Configuration(
        vessel=VesselSection(id="argo", name="SY Argo", mmsi=211_234_560, timezone="Europe/Berlin"),
        network=NetworkSection(
            country="DE",
            wifi=(Wifi(ssid="marina", password="harbour-master", priority=10), Wifi(ssid="open")),
            access_point=AccessPoint(ssid="argo", password="crew-of-argo"),
            vessel_radio=VesselRadio(mode="mesh", channel=6),
            ssh_keys=(KEY,),
        ),
        listener=ListenerSection(port=4985, interfaces=("wlan0", "eth0")),
        users=(
            UserSection(
                name="bridge",
                password_hash=HASH,
                access="read-only",
                channels=("alarms", "vessel.argo"),
            ),
        ),
        mesh=MeshSection(
            role="hub",
            max_peers=4,
            static=("wss://brigid.local:4984", "ws://[fe80::1]:4984"),
            hub=("argo",),
            direction="push",
        ),
        gateways=(
            GatewaySection(
                name="office",
                kind="couchbase",
                url="wss://sync.example.org:4984/fleet",
                user="argo",
                password_file="office.password",
                direction="both",
                policy=(
                    Policy(channels=("alarms", "equipment")),
                    Policy(channels=("readings",), when="interface != satellite", limit=50_000.0),
                ),
            ),
            GatewaySection(name="broker", kind="mqtt", url="mqtts://broker.example.org"),
        ),
        retention=RetentionSection(budget=Budget(size=20_000_000_000)),
        lights=LightsSection(power=0, record=20),
    )


def test_empty_file_means_all_defaults(tmp_path: Path) -> None:
    path = tmp_path / "logboat.toml"
    assert load(path, missing_ok=True).lights == LightsSection()
    path.write_text("")
    assert load(path).vessel == VesselSection(id="vessel", name="vessel", mmsi=None, timezone="UTC")
    assert load(path).retention == RetentionSection(Budget(share=0.8))


def test_missing_configuration_is_accepted_only_with_missing_ok(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        load(tmp_path / "logboat.toml")


def test_pins_of_the_lights_are_reserved_by_name(tmp_path: Path) -> None:
    assert reserved_pins(Configuration()) == {5: "power", 6: "record", 13: "mesh", 19: "gateway", 26: "fault"}
    assert reserved_pins(Configuration(lights=LightsSection(power=0, record=20))) == {
        20: "record",
        13: "mesh",
        19: "gateway",
        26: "fault",
    }
    path = tmp_path / "sensors.toml"
    path.write_text('[[sensor]]\nid = "a"\nkind = "switch"\npin = 20\npath = "bilge.a.highWater"\n')
    with pytest.raises(ConfigurationError, match=r"20 is used by the record light.*set record = 0"):
        load_sensors(path, reserved=reserved_pins(Configuration(lights=LightsSection(record=20))))


def test_repeatable_tables_are_those_that_are_declared_as_lists() -> None:
    def lists(cls: type) -> Iterator[str]:
        for each in describe(cls):
            if each.is_list:
                yield each.name
            if each.section is not None:
                yield from lists(each.section)

    assert set(REPEATABLE) == {*lists(Configuration), *lists(SensorsFile)}


POINT = "{ ssid = 'argo', password = 'crew-of-argo' }"


def network(line: str) -> str:
    return f'[network]\ncountry = "DE"\n{line}\n'


def gateway(url: str = "wss://host/db", kind: str = "couchbase", more: str = "") -> str:
    return f'[[gateway]]\nname = "office"\nkind = "{kind}"\nurl = "{url}"\n{more}\n'


@pytest.mark.parametrize(
    ("text", "start", "part"),
    [
        ("[vesel]\n", "1: vesel: this key is not known", 'Did you mean "vessel"?'),
        (f"ssh_keys = ['{KEY}']\n", "1: ssh_keys: this key belongs in [network]", "line below [network]"),
        ("id = 'argo'\n", "1: id: this key belongs in [vessel]", "Move this line below [vessel]"),
        ("name = 'argo'\n", "1: name: ", "belongs in [vessel] or [[user]] or [[gateway]]"),
        ("[vessel]\nport = 4984\n", "2: [vessel], port: this key belongs in [listener]", "[listener]"),
        ("[network]\naddress = '10.0.0.1/8'\n", "2: [network], address: ", "[network.ethernet]"),
        (gateway(url="wss://192.168,1.20"), "4: gateway", "is not a valid address"),
        (USER + "role = 'hub'\n", "4: user", "this key belongs in [mesh]"),
        (
            "[vessel]\nname = 'A\N{NO-BREAK SPACE}B'\n",
            "2: [vessel], name: ",
            "ordinary space (U+00A0). Delete",
        ),
        ("[[sensor]]\nid = 'a'\n", "1: sensor: sensors do not belong in this file", "sensors.toml"),
        ("[[output]]\nid = 'a'\n", "1: output: outputs do not belong in this file", "sensors.toml"),
        ("[[service]]\nid = 'a'\n", "1: service: services do not belong in this file", "sensors.toml"),
        ("vessel = 1\n", "1: vessel: ", "Write: [vessel]"),
        ("[[vessel]]\n", "1: vessel: ", "two brackets"),
        ("[user]\nname = 'a'\n", "1: user: ", "Write: [[user]]"),
        ('[vessel]\nid = "SY Argo"\n', "2: [vessel], id: ", "lower-case letters, digits and hyphens"),
        ('[vessel]\nidd = "argo"\n', "2: [vessel], idd: ", 'Did you mean "id"?'),
        ("[vessel]\nmmsi = 21123456\n", "2: [vessel], mmsi: ", "nine digits"),
        ('[vessel]\nmmsi = "211234560"\n', "2: ", "without quotes"),
        ('[vessel]\ntimezone = "Europe/Berlim"\n', "2: ", 'Did you mean "Europe/Berlin"?'),
        ('[vessel]\ntimezone = "../etc/passwd"\n', "2: ", "is not a known time zone"),
        ('[vessel]\ntimezone = "Europe"\n', "2: ", "is not a known time zone"),
        ('[network]\ncountry = "Germany"\n', "2: ", "two capital letters"),
        (
            '[network]\nwifi = [{ ssid = "a" }]\n',
            "2: [network], country: this key is missing",
            'country = "DE"',
        ),
        (
            '[network]\nvessel_radio = { mode = "mesh" }\n',
            "2: [network], country: ",
            "vessel_radio needs it to use the radio",
        ),
        (network("wifi = [{ password = 'harbour-master' }]"), "3: [network], wifi, ssid: ", "missing"),
        (network("wifi = [{ ssid = 'a', password = 'short' }]"), "3: ", "8 to 63 ASCII characters"),
        (network("wifi = [{ ssid = '" + "ä" * 17 + "' }]"), "3: ", "at most 32 bytes"),
        (network("wifi = 'marina'"), "3: [network], wifi: ", "is not a table"),
        (network("access_point = { ssid = 'argo' }"), "3: [network], access_point, password: ", "missing"),
        (network(f"access_point = [{POINT}, {POINT}]"), "3: ", "only once"),
        (network("vessel_radio = { mode = 'wire' }"), "3: ", '"mesh", "adhoc", "off"'),
        (network("vessel_radio = { mode = 'mesh', channel = 15 }"), "3: ", "not a Wi-Fi channel"),
        (network("vessel_radio = { mode = 'mesh', channel = [6] }"), "3: ", "not a Wi-Fi channel"),
        (network("ssh_keys = ['AAAAB3']"), "3: ", "not an SSH key"),
        (network("ssh_keys = ['ssh-ed25519']"), "3: ", "not an SSH key"),
        (network('ssh_keys = ["-----BEGIN OPENSSH PRIVATE KEY-----\\nx"]'), "3: ", "this is a private key"),
        (network("ssh_keys = [\n  'ssh-rsa AAAA',\n  'no'\n]"), "5: ", "not an SSH key"),
        ("[listener]\nport = 70000\n", "2: ", "65535 or less"),
        ("[listener]\nport = 443\n", "2: ", "1024 or more"),
        ("[listener]\ninterfaces = []\n", "2: ", "Write at least 1"),
        ("[listener]\ninterfaces = '*'\n", "2: ", "square brackets"),
        ("[[user]]\nname = 'bridge'\n", '1: user "bridge", password_hash: ', "this key is missing"),
        (
            "[[user]]\nname = 'bridge'\npassword = 'x'\n",
            '3: user "bridge", password: ',
            "password_hash instead",
        ),
        (
            USER + USER,
            '5: user "a", name: ',
            "in line 2",
        ),
        (USER + "access = 'admin'\n", "4: ", '"read-write", "read-only"'),
        (USER + "channels = ['alarm']\n", "4: ", '"alarms"'),
        (USER.replace(HASH, "a secret"), "3: ", "logboat fleet password"),
        ("[[user]]\nname = 'a'\npassword_hash = 7\n", "3: ", "not a password hash"),
        ("[mesh]\nrole = 'boss'\n", "2: ", '"active-only"'),
        ("[mesh]\nmax_peers = 0\n", "2: ", "1 or more"),
        ("[mesh]\nstatic = ['brigid.local:4984']\n", "2: ", "wss:// or ws://"),
        ("[mesh]\ndirection = 'sideways'\n", "2: ", '"push", "pull", "both"'),
        (gateway(kind="ftp"), "3: ", '"couchbase", "mqtt"'),
        (gateway("https://host/db"), "4: ", "wss:// or ws://"),
        (gateway("wss://host/db", kind="mqtt"), "4: ", "mqtts:// or mqtt://"),
        (gateway("wss://host:port/db"), "4: ", "is not a valid address"),
        (gateway("wss://argo:secret@host/db"), "4: ", "user and password_file"),
        (gateway(more="password_file = 'p'"), "5: ", "without a user"),
        (gateway(more="policy = [{ when = 'interface == wlan0' }]"), "5: ", "channels: this key is missing"),
        (
            gateway(more="policy = [{ channels = ['readings'], when = 'sometimes' }]"),
            "5: ",
            "interface != satellite",
        ),
        (gateway(more="policy = [{ channels = ['readings'], limit = 50 }]"), "5: ", '"50 kB/s"'),
        (
            gateway(more="policy = [{ channels = ['readings'], when = 'hours == 8-18' }]"),
            "5: ",
            "22:00-06:00",
        ),
        (gateway(more="home_assistant = true"), "5: ", "not allowed for a gateway of kind couchbase"),
        (
            gateway("mqtt://host", kind="mqtt", more="direction = 'both'"),
            "5: ",
            "not allowed for a gateway of kind mqtt",
        ),
        (gateway(more="certificate = 'c.pem'"), "5: ", "Add: key"),
        (gateway(more="pin = 'abc'"), "5: ", "64 hexadecimal digits"),
        (gateway(more="channels = ['notes']"), "5: ", "this key has no effect, because nothing is pulled"),
        (gateway() + gateway(), "7: ", "already the name of another gateway, in line 2"),
        ("[retention]\nbudget = 80\n", "2: ", '"80 %" or "20 GB"'),
        ("[retention]\nbudget = '80'\n", "2: ", '"80 %" or "20 GB"'),
        ("[retention]\nbudget = '99 %'\n", "2: ", "1 % to 95 %"),
        ("[retention]\nbudget = '1 MB'\n", "2: ", "10 MB or more"),
        ("[lights]\npower = 28\n", "2: ", "0 for no light"),
        ("[lights]\npower = 1\n", "2: ", "HAT's EEPROM"),
        ("[lights]\npower = 6\n", "2: [lights], power: ", "used by the power light and by the record light"),
        ("[lights]\nfault = 6\n", "2: [lights], fault: ", "used by the record light and by the fault light"),
        ("[lights]\npwer = 7\n", "2: ", 'Did you mean "power"?'),
    ],
)
def test_mistake_in_a_configuration_is_reported_once_with_its_line_and_remedy(
    problems: Problems, text: str, start: str, part: str
) -> None:
    [said] = problems(text)
    assert said.startswith(start)
    assert part in said
    assert "secret" not in said


@pytest.mark.parametrize(
    "text",
    [
        "[network]\nssh_keys = []\n",
        "[network]\nvessel_radio = { mode = 'off' }\n",
        network("wifi = { ssid = 'only', password = '' }"),
        network("vessel_radio = { mode = 'adhoc', channel = 36 }"),
        network("ssh_keys = ['sk-ssh-ed25519@openssh.com AAAA x y']"),
        gateway("mqtt://host:1883", kind="mqtt"),
        gateway("mqtts://host", kind="mqtt", more="home_assistant = true\nsignalk = true\nlimit = '9 kB/s'"),
        gateway(more="direction = 'both'\nchannels = ['office']\nca = 'ca.pem'\nsession_file = 's'"),
        gateway(
            more="policy = { channels = ['readings'], when = 'interface != x and hours == 22:00-06:00' }"
        ),
        gateway(more="policy = { channels = ['vessel.argo'], when = 'interface == eth0' }"),
        "[retention]\nbudget = '1 %'\n",
        "[lights]\npower = 0\nrecord = 0\nmesh = 0\n",
        "[lights]\npower = 6\nrecord = 5\n",
    ],
)
def test_valid_configuration_causes_no_problem(problems: Problems, text: str) -> None:
    assert problems(text) == []


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(problems: Problems) -> None:
    text = '[vessel]\nid = "A"\nmmsi = 1\n[lights]\npower = 99\nfoo = 1\n[listener]\nport = 4984 x\n'
    assert [int(said.split(":")[0]) for said in problems(text)] == [2, 3, 5, 6, 8]


def test_time_zone_is_not_checked_where_none_are_installed(problems: Problems) -> None:
    zoneinfo.reset_tzpath(to=[])
    if zoneinfo.available_timezones():  # the package tzdata contains time zones
        pytest.skip("this Python has time zones of its own")
    assert problems('[vessel]\ntimezone = "Europe/Atlantis"\n') == []


def test_secrets_are_in_no_repr(tmp_path: Path) -> None:
    path = tmp_path / "vessel.toml"
    path.write_text(WHOLE)
    shown = repr(load(path))
    assert "harbour-master" not in shown
    assert "crew-of-argo" not in shown
    assert "$scrypt$" not in shown
