"""Tests of an appliance's first boot from the image, observed over SSH and over the network."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.image import card
from tests.image.guest import Guest, answers_http, answers_tls

pytestmark = [pytest.mark.image, pytest.mark.timeout(1800)]

UNITS = ("boot", "networks", "store", "recorder", "sync", "lights", "machine-id", "clock", "radio")
HTTP = 8080


def samples(guest: Guest) -> int:
    """Return the number of samples that the recorder has made durable since it started."""
    found: int = guest.json("logboat status --json")["recorder"]["lastDurable"]["samples"]
    return found


def test_recorder_is_active_and_readings_grow(booted: Guest) -> None:
    booted.wait_for("recording", lambda: "lastDurable" in booted.run("logboat status --json", check=False))
    assert booted.run("systemctl is-active logboat-recorder") == "active"
    before = samples(booted)
    booted.wait_for("more samples", lambda: samples(booted) > before + 3)


def test_no_unit_failed(booted: Guest) -> None:
    booted.wait_for("started", lambda: booted.run("systemctl is-system-running", check=False) != "starting")
    assert booted.run("systemctl --failed --no-legend --plain") == ""
    assert booted.run("systemctl is-system-running") == "running"


def test_time_to_the_first_durable_reading(booted: Guest) -> None:
    """The time is printed but has no limit, because emulation does not show how fast a real board is."""
    booted.wait_for("a document", lambda: "good" in booted.run("logboat log example --csv", check=False))
    first = booted.run("logboat log example --csv | grep -m 1 good").split(",")[0]
    started = float(booted.run("date +%s.%N")) - float(booted.run("cut -d' ' -f1 /proc/uptime"))
    at = float(booted.run(f"date -d {first} +%s.%N"))
    print(f"first reading {at - started:.1f} s after the kernel's start, durable at most 1 s later")
    assert at > started


def test_root_is_read_only_and_written_folders_are_on_data_or_in_memory(booted: Guest) -> None:
    assert booted.run("findmnt -n -o OPTIONS /").split(",")[0] == "ro"
    assert booted.root("touch /usr/x 2>/dev/null && echo written", check=False) == ""
    for path in ("/var/lib/logboat", "/etc/logboat", "/home", "/var/lib/NetworkManager", "/var/lib/systemd"):
        assert booted.run(f"findmnt -n -o SOURCE {path}").startswith("/dev/vda7["), path
    for path in ("/var/log", "/var/cache", "/var/tmp", "/tmp", "/run"):
        assert booted.run(f"findmnt -n -o FSTYPE --target {path}") == "tmpfs", path
    assert booted.run("findmnt -n -o OPTIONS /boot/firmware").split(",")[0] == "ro"
    assert booted.run("ls -d /run/log/journal")


def test_maintenance_opens_the_root_for_a_while(booted: Guest) -> None:
    booted.run("sudo logboat maintenance --for 15s")
    booted.root("touch /usr/written && rm /usr/written")
    booted.wait_for("closed", lambda: booted.run("findmnt -n -o OPTIONS /").startswith("ro"))
    assert booted.run("ls /run/logboat/maintenance.json 2>/dev/null", check=False) == ""


def test_data_was_grown_to_the_end_of_the_card(booted: Guest) -> None:
    size = int(booted.root("blockdev --getsize64 /dev/vda"))
    start = int(booted.run("cat /sys/class/block/vda7/start")) * 512
    assert int(booted.root("blockdev --getsize64 /dev/vda7")) > size - start - 32 * 2**20
    assert int(booted.run("df --output=size -B1 /data | tail -1")) > (size - start) * 0.9


def test_login_requires_a_key(booted: Guest) -> None:
    refused = booted.ssh("-o", "PubkeyAuthentication=no", "-o", "ControlPath=none", "-v")
    assert refused.returncode == 255
    assert "Permission denied (publickey)" in refused.stderr
    as_root = booted.ssh("-o", "ControlPath=none", user="root")
    assert as_root.returncode == 255
    effective = booted.root("sshd -T")
    assert "passwordauthentication no" in effective
    assert "kbdinteractiveauthentication no" in effective


def test_host_keys_are_made_on_the_appliance(booted: Guest) -> None:
    assert booted.root("ls /etc/logboat/ssh/ssh_host_ed25519_key")
    assert booted.run("ls /etc/ssh/ssh_host_* 2>/dev/null | wc -l") == "0"


def test_firewall_accepts_only_the_listed_ports(booted: Guest) -> None:
    booted.run(f"nohup python3 -m http.server {HTTP} >/dev/null 2>&1 & sleep 3")
    assert "HTTP" in booted.run(f'python3 -c "{_ASK}" {HTTP}')
    assert not answers_http(booted.ports[HTTP])
    booted.root("nft insert rule inet logboat input tcp dport 8080 accept")
    assert answers_http(booted.ports[HTTP]), "the probe itself: what is let in answers"
    booted.root("nft -f /etc/nftables.conf")


_ASK = (
    "import socket,sys; s=socket.create_connection(('127.0.0.1',int(sys.argv[1])));"
    " s.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n'); print(s.recv(4))"
)


def test_sync_listens_once_the_vessel_has_an_identity(booted: Guest, tmp_path: Path) -> None:
    give_identity(booted, tmp_path, fleet="north", vessel="argo")
    booted.wait_for("listening", lambda: answers_tls(booted.ports[4984]))
    assert booted.json("logboat status --json")["mesh"]["whyNot"] is None


def give_identity(guest: Guest, place: Path, *, fleet: str, vessel: str) -> None:
    """Install a vessel's identity in the guest by copying its folder and changing the owner."""
    folder = make_fleet(place, fleet) if not (place / fleet).exists() else place / fleet
    logboat = [sys.executable, "-m", "services"]
    passphrase = ["--passphrase-file", str(place / "passphrase")]
    subprocess.run(
        [*logboat, "fleet", "add", str(folder), vessel, *passphrase], check=True, cwd=card.REPOSITORY
    )
    packed = place / f"{vessel}.tar"
    subprocess.run(
        ["tar", "-cf", str(packed), "-C", str(folder / "vessels" / vessel), "identity"], check=True
    )
    guest.put(packed, "identity.tar")
    guest.root("tar -xf /home/skipper/identity.tar -C /etc/logboat")
    guest.root("chown -R logboat: /etc/logboat/identity")
    guest.root("systemctl restart logboat-recorder")


def make_fleet(place: Path, fleet: str) -> Path:
    """Create an operator's folder for a fleet, and return its path."""
    (place / "passphrase").write_text("correct horse battery staple\n")
    subprocess.run(
        [
            *(sys.executable, "-m", "services", "fleet", "init", str(place / fleet), "--name", fleet),
            *("--passphrase-file", str(place / "passphrase")),
        ],
        check=True,
        cwd=card.REPOSITORY,
    )
    return place / fleet


def test_units_are_sandboxed(booted: Guest) -> None:
    for unit in UNITS:
        booted.root(f"systemd-analyze security --no-pager --threshold=20 logboat-{unit}.service")


def test_the_last_known_time_is_kept_on_data(booted: Guest) -> None:
    clock = "/var/lib/systemd/timesync/clock"
    assert booted.run("systemctl is-active logboat-clock.timer") == "active"
    assert booted.run(f"findmnt -n -o SOURCE --target {clock}").startswith("/dev/vda7[")
    booted.root(f"touch -d '2026-01-01' {clock} && systemctl start logboat-clock.service")
    assert abs(int(booted.run(f"stat -c %Y {clock}")) - int(booted.run("date +%s"))) < 60
    booted.root(f"touch -d '2036-01-01' {clock} && systemctl start logboat-clock.service")
    assert booted.run(f"date -u -d @$(stat -c %Y {clock}) +%Y") == "2036"
    booted.root(f"touch {clock}")


def test_devices_belong_to_groups_of_the_daemons_user(booted: Guest) -> None:
    assert set(booted.run("id -nG logboat").split()) >= {"logboat", "gpio", "i2c", "spi"}
    assert booted.run("ps -o user= -C logboat | sort -u") == "logboat"


def test_memory_is_compressed_and_nothing_swaps_to_the_card(booted: Guest) -> None:
    swaps = booted.run("cat /proc/swaps").splitlines()[1:]
    assert len(swaps) == 1
    assert swaps[0].startswith("/dev/zram0")


def test_a_kernel_that_hangs_is_restarted(booted: Guest) -> None:
    assert booted.run("systemctl show -p RuntimeWatchdogUSec --value") == "15s"
    assert booted.run("cat /proc/sys/kernel/panic") == "10"


def test_login_shows_the_vessels_state(booted: Guest) -> None:
    greeting = booted.ssh("-tt", "-o", "ControlPath=none", command="cat /run/motd.dynamic").stdout
    assert "recording" in greeting
    assert booted.run("command -v logboat") == "/usr/bin/logboat"


def test_the_log_is_complete(booted: Guest) -> None:
    booted.wait_for("a document", lambda: "complete" in booted.run("logboat verify", check=False))
    booted.run("logboat verify")


def test_restart_keeps_keys_identity_and_log(booted: Guest) -> None:
    """Host keys, machine id and log are the same after a reboot, and no file is applied twice."""
    asked = (
        "cat /etc/machine-id /etc/logboat/ssh/ssh_host_ed25519_key.pub;"
        ' logboat status --json | grep -o \'"log":"[a-z]*"\''
    )
    before = booted.run(asked)
    booted.root("systemctl poweroff", check=False)
    booted.wait_for_end("a power-off")
    booted.start()
    booted.wait_for_login()
    booted.wait_for("recording", lambda: "lastDurable" in booted.run("logboat status --json", check=False))
    assert booted.run(asked) == before
    booted.wait_for("complete", lambda: "complete" in booted.run("logboat verify", check=False))
