"""Mistakes in the values of a `vessel.toml`."""

from .cases import HASH, SSH_KEY, Case
from .syntax import ETHERNET, NBSP, WIFI

EAP = WIFI.replace("hidden = true", 'eap = "peap", user = "argo", server_name = "radius.example.org"')
TLS = WIFI.replace(
    'password = "correct horse", hidden = true',
    'eap = "tls", user = "argo", ca = "marina-ca.pem", certificate = "argo.pem", key = "argo.key"',
)
POLICY = 'policy = [{ channels = ["alarms"], when = "interface != satellite" }]'
URL = 'url = "mqtts://office.example.org"'
SHORE = 'url = "wss://shore.example.org/fleet"'
DIRECTION = 'direction = "both"'
CERTIFICATE = 'certificate = "shore.pem"\nkey = "shore.key"'
RADIO = 'vessel_radio = { mode = "mesh", channel = 11 }'

ANNOUNCED = 'home_assistant = true\npolicy = [{ channels = ["alarms"] }]'
ASSISTANT = "home_assistant = true\n"
PAGE = 'configuration_url = "https://club.example.org/argo"'
BROKER = [
    ('prefix = "/logboat"', 'prefix = "logboat"', "logboat"),
    ('discovery_prefix = "home assistant"', 'discovery_prefix = "home/assistant"', "home/assistant"),
    ('prefix = "homeassistant/boats"', "", ""),
    ('discovery_prefix = "logboat"', "", ""),
    ("acknowledge = true", "acknowledge = true\nhome_assistant = true", ""),
    (ASSISTANT + PAGE.replace("https://", ""), ASSISTANT + PAGE, "https://club.example.org/argo"),
    (PAGE, f"{PAGE}\nhome_assistant = true", ""),
    (ANNOUNCED, ANNOUNCED.replace('alarms"', 'alarms", "vessels", "equipment"'), ""),
]
"""Mistakes in a broker's keys, each with the remedied lines and the words in them that the user chooses."""

VALUES = [
    Case('id = "argo"', 'id = "SY Argo"', chosen="argo"),
    Case('name = "Argo"', f'name = "SY{NBSP}Argo"', 'name = "SY Argo"'),
    Case('name = "Argo"', "name = 5", 'name = "5"'),
    Case('name = "Argo"', f'name = "{81 * "a"}"', chosen="Argo"),
    Case('name = "Argo"', 'name = "Ar\\ngo"', chosen="Argo"),
    Case("mmsi = 211234560", 'mmsi = "211234560"'),
    Case('timezone = "Europe/Berlin"', 'timezone = "Europe/Berln"'),
    Case('timezone = "Europe/Berlin"', 'timezone = "CEST"'),
    Case('country = "DE"', 'country = "de"'),
    Case('country = "DE"', "# country", at="wifi"),
    Case(WIFI, WIFI.replace("marina", 33 * "m"), chosen="marina"),
    Case(WIFI, WIFI.replace('"marina"', '""'), chosen="marina"),
    Case(WIFI, WIFI.replace("correct horse", "correct"), WIFI.replace("horse", "horses"), chosen="horses"),
    Case(WIFI, WIFI.replace("true", '"true"')),
    Case(WIFI, WIFI.replace('"marina"', '"m\\u200da"'), WIFI.replace('"marina"', "[109, 226, 128, 141, 97]")),
    Case(WIFI, WIFI.replace('"marina"', "[]"), WIFI.replace('"marina"', "[109]"), chosen="109"),
    Case(WIFI, WIFI.replace('"marina"', "[109, 300]"), WIFI.replace('"marina"', "[109, 255]")),
    Case(WIFI, WIFI.replace("horse", "\\u0007"), WIFI.replace("horse", "horses"), chosen="horses"),
    Case(
        WIFI,
        WIFI.replace("true", 'true, bssid = "02:00:5e"'),
        WIFI.replace("true", 'true, bssid = "02:00:5e:10:00:01"'),
    ),
    Case(
        WIFI, WIFI.replace("true", 'true, security = "wpa"'), WIFI.replace("true", 'true, security = "wpa3"')
    ),
    Case(WIFI, WIFI.replace("true", 'true, security = "open"'), WIFI.replace("true", "true")),
    Case(
        WIFI,
        WIFI.replace('password = "correct horse", ', 'security = "wpa2", '),
        WIFI.replace('", hidden', '", security = "wpa2", hidden'),
        chosen='"correct horse"',
    ),
    Case(
        WIFI,
        WIFI.replace('"correct horse"', f'"{64 * "0"}", security = "wpa3"'),
        WIFI.replace('"correct horse"', f'"{63 * "0"}", security = "wpa3"'),
        chosen=63 * "0",
    ),
    Case(WIFI, EAP.replace('eap = "peap", ', ""), EAP),
    Case(WIFI, EAP.replace('user = "argo", ', ""), EAP, chosen="argo"),
    Case(WIFI, EAP.replace("radius.", "radius,"), EAP),
    Case(WIFI, EAP.replace(', server_name = "radius.example.org"', ""), EAP, chosen="radius.example.org"),
    Case(
        WIFI,
        EAP.replace('server_name = "radius.example.org"', 'ca = "marina-ca.pem", security = "wpa2"'),
        EAP.replace('server_name = "radius.example.org"', 'ca = "marina-ca.pem"'),
    ),
    Case(WIFI, TLS.replace('eap = "tls"', 'eap = "tls", password = "secret"'), TLS),
    Case(RADIO, RADIO.replace("11", "14"), RADIO.replace("11", "13")),
    Case(RADIO, RADIO.replace("11", "100"), RADIO.replace("11", "36")),
    Case(RADIO, RADIO.replace("mesh", "star")),
    Case(ETHERNET, ETHERNET.replace("/24", "")),
    Case(ETHERNET, ETHERNET.replace('168.1.1"', '168.1.300"')),
    Case(ETHERNET, ETHERNET.replace('address = "192.168.1.10/24", ', "")),
    Case(ETHERNET, ETHERNET.replace("{", "[{").replace("}", "}, {}]")),
    Case(ETHERNET, 'ethernet = "192.168.1.10/24"', ETHERNET, chosen="address gateway 192.168.1.1"),
    Case(f'ssh_keys = ["{SSH_KEY}"]', 'ssh_keys = ["-----BEGIN OPENSSH PRIVATE KEY-----"]', chosen=SSH_KEY),
    Case(f'ssh_keys = ["{SSH_KEY}"]', f'ssh_keys = ["{SSH_KEY.split(" ")[1]}"]', chosen=SSH_KEY),
    Case(
        f'ssh_keys = ["{SSH_KEY}"]',
        'ssh_keys = ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIExample crew@argo"]',
        chosen=SSH_KEY,
    ),
    Case('ssh_interfaces = ["eth0"]', 'ssh_interfaces = "eth0"'),
    Case('ssh_interfaces = ["eth0"]', 'ssh_interfaces = ["eth 0"]'),
    Case('ssh_interfaces = ["eth0"]', "ssh_interfaces = []", 'ssh_interfaces = ["eth0"]', chosen="eth0"),
    Case("port = 4985", 'port = "4985"'),
    Case("port = 4985", "port = 4985.5", "port = 4985", chosen="4985"),
    Case("port = 4985", "port = 80", "port = 1024"),
    Case("port = 4985", "port = 70000", "port = 65535"),
    Case(f'password_hash = "{HASH}"', 'password_hash = "correct horse"', chosen=HASH),
    Case(f'password_hash = "{HASH}"', 'password = "correct horse"', f'password_hash = "{HASH}"', chosen=HASH),
    Case(
        f'password_hash = "{HASH}"',
        f'password_hash = "scrypt$8192$8$1${22 * "A"}${43 * "A"}"',
        chosen=HASH,
    ),
    Case('channels = ["alarms"]', 'channels = ["alarm"]'),
    Case('role = "hub"', 'role = "HUB"'),
    Case(URL, 'url = "office.example.org"'),
    Case(URL, 'url = "mqtts://office,example.org"', chosen="office.example.org"),
    Case(URL, 'url = "mqtts://argo:secret@office.example.org"'),
    Case('limit = "20 kB/s"', 'limit = "20 kB"'),
    Case('limit = "20 kB/s"', 'limit = "1 B/s"', 'limit = "10 B/s"'),
    Case('name = "shore"', 'name = "office"', chosen="shore"),
    Case(SHORE, f"{SHORE}\nhome_assistant = true", SHORE),
    *(Case(URL, f"{URL}\n{slip}", f"{URL}\n{good}".rstrip(), chosen=chosen) for slip, good, chosen in BROKER),
    Case(DIRECTION, 'direction = "push"', at="channels"),
    Case(
        'channels = ["notes"]',
        'channels = ["notes,orders"]',
        'channels = ["notesorders"]',
        chosen="notesorders",
    ),
    Case(CERTIFICATE, 'certificate = "shore.pem"', chosen="shore.key"),
    Case(CERTIFICATE, f'{CERTIFICATE}\npin = "{64 * "0"}"\nca = "ca.pem"', f'{CERTIFICATE}\nca = "ca.pem"'),
    Case(CERTIFICATE, f'{CERTIFICATE}\npin = "abc"', f'{CERTIFICATE}\npin = "{64 * "0"}"', chosen=64 * "0"),
    Case(CERTIFICATE, 'user = "argo"\nsession_file = "shore.session"', 'session_file = "shore.session"'),
    Case(CERTIFICATE, f"{CERTIFICATE}\ncertificat = 5", CERTIFICATE),
    Case(POLICY, POLICY.replace("interface != satellite", "no satellite")),
    Case('budget = "20 GB"', 'budget = "20"'),
    Case('budget = "20 GB"', "budget = 20"),
    Case('budget = "20 GB"', 'budget = "20 gb"'),
    Case('budget = "20 GB"', 'budget = "20,5 GB"', 'budget = "20.5 GB"'),
    Case('budget = "20 GB"', 'budget = "99 %"', 'budget = "95 %"'),
    Case('budget = "20 GB"', 'budget = "20 kB"', 'budget = "10 MB"'),
    Case("power = 0", "power = GPIO5", "power = 5"),
    Case("power = 0", "power = 30", "power = 27"),
    Case("power = 0", "power = 1"),
    Case("power = 0", "power = 6", "power = 0"),
    Case("power = 0", "power = 18", "power = 17", chosen="17", at="pps"),
    Case('single = "ACT"', 'single = "/sys/class/leds/ACT"'),
    Case('night = "22:00-06:00"', 'night = "22-6"'),
    Case('gnss = "/dev/ttyACM0"', 'gnss = "ttyACM0"'),
    Case("baud = 9600", "baud = 1200", "baud = 4800"),
    Case('gnss = "/dev/ttyACM0"', "", 'gnss = "/dev/ttyACM0"', at="baud"),
]
"""Mistakes in values, and in combinations of keys."""
