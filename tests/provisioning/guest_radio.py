"""Radio test without hardware, which runs as root in a virtual machine with five simulated radios.

The virtual machine is an appliance whose configuration contains `NETWORK`. The crew's Wi-Fi network and the
mesh start although no other radio is in range. Another vessel with the fleet's radio key connects over the
mesh, and documents are replicated in both directions. A radio with a different key cannot connect.

The kernel module mac80211_hwsim simulates the radios. The appliance uses `wlan0` to join a network, `wlan3`
for the crew and `wlan4` for the mesh. Other computers use `wlan1` and `wlan2`. The test uses the appliance's
services, including OpenSSH. It prints each step, and exits with status 0 on success.

The argument of the program is the folder with the identity of the other vessel, whose id is `OTHER`.
"""

import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

NETWORK: Final = """
[network]
country = "DE"
wifi = [
    { ssid = "marina", password = "correct horse" },
    { ssid = [72, 228], password = "new horse", security = "wpa3", hidden = true },
    { ssid = "marina", password = "old horse", security = "wpa2", bssid = "02:00:5e:10:00:01" },
    { ssid = "free" },
    { ssid = "office", eap = "peap", user = "argo", password = " any ", server_name = "radius.example.org" },
]
access_point = { ssid = "argo", password = "battery staple" }
vessel_radio = { mode = "mesh", channel = 6 }
"""
_SETTINGS: Final = "802-11-wireless,802-11-wireless-security,802-1x"
_FIELDS: Final = ("ssid", "hidden", "bssid", "key-mgmt", "psk", "identity", "password")
LOADED: Final = {
    ("marina", "no", "", "wpa-psk", "correct horse", "", ""),
    ("marina", "no", "02:00:5E:10:00:01", "wpa-psk", "old horse", "", ""),
    ("free", "no", "", "", "", "", ""),
    ("office", "no", "", "wpa-eap", "", "argo", " any "),
}
"""Fields that NetworkManager should show for the configured networks whose names are valid text."""
RADIOS: Final = "modules_load=mac80211_hwsim mac80211_hwsim.radios=5"
"""Kernel command-line arguments that load mac80211_hwsim before logboat-boot.service starts."""
OTHER: Final = "brigid"
SENSORS: Final = """
[[sensor]]
id = "bilge"
name = "Bilge"
kind = "simulated"
model = "temperature"
path = "environment.inside.bilge.temperature"
rate = "1 Hz"
window = "10 s"
"""
PATIENCE_S: Final = 90.0
OURS: Final = Path("/run/logboat-radio/supplicant.conf")
CREW: Final = 'network={\n ssid="argo"\n psk="battery staple"\n}\n'
BEYOND: Final = ("ip", "netns", "exec", "others")


def said(*command: str) -> str:
    """Run a command, and return its output, whether or not it succeeds."""
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def until(what: str, holds: Callable[[], object], *, within: float = PATIENCE_S) -> None:
    """Wait until a condition is true, and exit with an error after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            sys.exit(f"NOT within {within:g} s: {what}")
        time.sleep(0.5)
    print(f"so it is: {what}", flush=True)


def join(interface: str, configuration: str) -> "subprocess.Popen[bytes]":
    """Let the other computer, which a network namespace simulates, join a wireless network."""
    path = Path(f"/run/{interface}.conf")
    path.write_text(configuration)
    return subprocess.Popen(
        [*BEYOND, "wpa_supplicant", f"-i{interface}", f"-c{path}"], stdout=subprocess.DEVNULL
    )


def reaches(address: str, *, within: float) -> bool:
    """Return True if the other computer can connect to the appliance's SSH server in time."""
    code = "import socket, sys; print(socket.create_connection((sys.argv[1], 22), 5).recv(7))"
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        if "SSH-2.0" in said(*BEYOND, sys.executable, "-c", code, address):
            return True
    return False


def another_vessel(place: Path, identity: Path) -> "list[subprocess.Popen[bytes]]":
    """Start the daemons of another vessel on the other computer, with the identity in this folder."""
    place.mkdir()
    (place / "logboat.toml").write_text(f'[vessel]\nid = "{OTHER}"\n')
    (place / "sensors.toml").write_text(SENSORS)
    options = [f"--config={place}/logboat.toml", f"--sensors={place}/sensors.toml"]
    options += [f"--identity={identity}", f"--data={place}/data", f"--run={place}/run"]
    for folder in ("data", "run"):
        (place / folder).mkdir()
    command = [*BEYOND, "logboat"]
    board = [f"--board={OTHER}"]  # otherwise this store would count as a copy of the appliance's card
    return [
        subprocess.Popen([*command, daemon, *options, *more])
        for daemon, more in (("record", []), ("sync", board))
    ]


def readings(store: Path, vessel: str) -> bool:
    """Return True if a document store contains readings of this vessel."""
    return f"reading:{vessel}:" in said("logboat", "db", "ls", str(store))


def check_networks() -> None:
    """Check that NetworkManager has loaded every configured network, or exit with an error."""
    names = [
        name
        for name in said("nmcli", "-g", "NAME", "connection", "show").split()
        if name.startswith("logboat-join-")
    ]
    loaded = {loaded_network(name) for name in names}
    others = [each[1:2] + each[3:5] for each in loaded - LOADED]
    if not loaded >= LOADED or others != [("yes", "sae", "new horse")]:
        print(f"NetworkManager has loaded other networks: {names} {loaded}")
        sys.exit(1)
    print("so it is: NetworkManager has loaded every network", flush=True)


def loaded_network(name: str) -> tuple[str, ...]:
    """Return the settings with which NetworkManager has loaded a network, in the order of `_FIELDS`."""
    rows = said("nmcli", "-s", "-t", "-e", "no", "-f", _SETTINGS, "connection", "show", name).splitlines()
    values = dict(row.split(".", 1)[1].split(":", 1) for row in rows if "." in row and ":" in row)
    return tuple(values.get(field, "") for field in _FIELDS)


def main(identity: Path) -> None:
    """Run all steps of the radio test in the virtual machine."""
    until("NetworkManager runs", lambda: "running" in said("nmcli", "-g", "RUNNING", "general"))
    check_networks()
    until("the crew's network is up", lambda: "type AP" in said("iw", "dev", "wlan3", "info"))
    until(
        "the mesh is up",
        lambda: re.search(r"mesh point\n(.*\n)*.*channel 6 ", said("iw", "dev", "wlan4", "info")),
    )
    link_local = re.compile(r"inet6 (fe80:[^/ ]*)")
    until(
        "it has an address of its own", lambda: link_local.search(said("ip", "-6", "addr", "show", "wlan4"))
    )
    found = link_local.search(said("ip", "-6", "addr", "show", "wlan4"))
    assert found is not None

    said("ip", "netns", "add", "others")
    for interface in ("wlan1", "wlan2"):
        said("nmcli", "device", "set", interface, "managed", "no")
        phy = Path(f"/sys/class/net/{interface}/phy80211/name").read_text().strip()
        said("iw", "phy", phy, "set", "netns", "name", "others")
    phone = join("wlan1", CREW)
    until("a phone joins", lambda: "Connected" in said(*BEYOND, "iw", "dev", "wlan1", "link"))
    said(*BEYOND, "ip", "addr", "add", "10.84.0.77/24", "dev", "wlan1")
    until("it reaches us", lambda: reaches("10.84.0.1", within=10))
    phone.terminate()

    stranger = join("wlan2", re.sub(r"sae_password=.*", 'sae_password="another key"', OURS.read_text()))
    if reaches(f"{found[1]}%wlan2", within=15):
        sys.exit("a stranger reaches us over the mesh")
    print("so it is: a stranger does not reach us", flush=True)
    stranger.terminate()
    stranger.wait()
    vessel = join("wlan2", OURS.read_text())
    until("a vessel of the fleet reaches us", lambda: reaches(f"{found[1]}%wlan2", within=10))
    said(*BEYOND, "ip", "link", "set", "lo", "up")
    place = Path("/run/other-vessel")
    daemons = another_vessel(place, identity)
    until("it has our readings", lambda: readings(place / "data/log.db", "argo"))
    until("we have its readings", lambda: readings(Path("/var/lib/logboat/log.db"), OTHER))
    for daemon in daemons:
        daemon.terminate()
        daemon.wait()
    vessel.terminate()
    running = said("systemctl", "show", "--property=NRestarts", "NetworkManager", "logboat-radio")
    if set(running.split()) != {"NRestarts=0"}:
        sys.exit(f"something was started again: {running}")
    print("all is as it should be")


if __name__ == "__main__":
    assert shutil.which("wpa_supplicant"), socket.gethostname()
    main(Path(sys.argv[1]))
