"""Functions that change the system at boot, one for each step. They raise OSError or CardError on failure.

Without systemd, NetworkManager or a Raspberry Pi, as in tests, the steps that need it do nothing.
"""

import grp
import os
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from provisioning import files
from provisioning.card.tools import run
from provisioning.errors import CardError
from provisioning.ingest import permissions
from provisioning.networks import adapters, firewall
from provisioning.networks.adapters import CREW, Adapter
from provisioning.networks.profiles import SUFFIX, Profile
from provisioning.networks.radio import Radio, rekeyed
from sensors.chips.sysfs import new_device
from sync.folders import OWN, PUBLIC, make_folder

Run = Callable[..., bytes]
HOST_KEYS: Final = ("ed25519", "ecdsa")
"""Types of SSH host keys to create.

RSA is omitted, because no client needs it, and creating an RSA key takes 30 s on a Zero 2 W.
"""
SLOTS: Final = (2, 3)
"""Partition numbers of the two boot partitions, one for each system; each has its own config.txt."""
SUPPLICANT: Final = "supplicant.conf"
"""Name of the configuration file for the vessel-to-vessel radio's wpa_supplicant."""
_ROOTS: Final = {"05": 0, "06": 1}
"""Index of the booted slot, by the last two digits of the root partition's PARTUUID."""


@contextmanager
def writable(mount: Path, *, tool: Run = run) -> Iterator[None]:
    """Keep a mounted file system writable for the duration of the context.

    At the end, trim the file system and make it read-only.
    """
    if not mount.is_mount():
        yield
        return
    try:
        tool(["mount", "-o", "remount,rw", str(mount)])
    except CardError as error:
        raise OSError(None, str(error), str(mount)) from error
    try:
        yield
    finally:
        tool(["sync", "-f", str(mount)])
        with suppress(CardError):  # not every card supports trimming
            tool(["fstrim", str(mount)])
        tool(["mount", "-o", "remount,ro", str(mount)])


def disk_of(mount: Path, *, tool: Run = run, root: Path = Path("/")) -> tuple[Path, Path]:
    """Return the device paths of the disk and of the partition mounted at `mount`."""
    partition = Path(
        tool(["findmnt", "--noheadings", "--output", "SOURCE", str(mount)]).decode().split("[")[0].strip()
    )
    entry = (root / "sys/class/block" / partition.name).resolve()
    return Path("/dev") / entry.parent.name, partition


def partition_of(disk: Path, number: int) -> Path:
    """Return the kernel's device path for the partition `number` on `disk`."""
    between = "p" if disk.name[-1].isdigit() else ""
    return disk.with_name(f"{disk.name}{between}{number}")


def set_host_name(name: str, *, etc: Path, tool: Run = run) -> None:
    """Set the kernel's host name until the next boot, and write it to Logboat's `hostname` file.

    `/etc/hostname` is a link to that file, because NetworkManager would otherwise restore an old name.
    """
    if socket.gethostname() != name:
        tool(["hostname", name])
    ours, content = etc / "hostname", f"{name}\n".encode()
    if not ours.exists() or ours.read_bytes() != content:
        files.write(ours, content)


def make_host_keys(folder: Path, *, tool: Run = run) -> None:
    """Create any missing SSH host keys. A power cut never leaves an incomplete key file."""
    permissions.make_folder(folder)
    folder.chmod(0o755)  # sshd reads authorized_keys as the user who logs in
    for kind in HOST_KEYS:
        name = f"ssh_host_{kind}_key"
        if (folder / name).exists():
            continue
        with TemporaryDirectory(prefix=".new-", dir=folder) as temporary:
            key = Path(temporary) / name
            tool(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "", "-f", str(key)])
            content, public = key.read_bytes(), key.with_suffix(".pub").read_bytes()
        files.write(folder / f"{name}.pub", public)
        files.write(folder / name, content, mode=files.SECRET)


def write_authorized_keys(folder: Path, keys: Sequence[str]) -> None:
    """Write the public SSH keys that are authorized to log in."""
    path, content = folder / "authorized_keys", "".join(f"{key}\n" for key in keys).encode()
    if not path.exists() or path.read_bytes() != content:
        files.write(path, content)


def radios(root: Path, *, tool: Run = run) -> tuple[Adapter, ...]:
    """Return the capabilities of this machine's radios; empty if there are none."""
    interfaces: Mapping[str, str] = {
        path.parent.parent.name: path.read_text().strip()
        for path in (root / "sys/class/net").glob("*/phy80211/name")
        if path.parent.parent.name != CREW
    }
    return adapters.parse(tool(["iw", "phy"]).decode(errors="replace"), interfaces) if interfaces else ()


def set_country(country: str, *, tool: Run = run) -> None:
    """Set the country whose radio regulations apply."""
    tool(["iw", "reg", "set", country])


def make_second(phy: str, *, root: Path, tool: Run = run) -> None:
    """Create a second interface for the crew's network, on a radio that also joins another network."""
    if not (root / "sys/class/net" / CREW).exists():
        tool(["iw", "phy", phy, "interface", "add", CREW, "type", "__ap"])


def write_profiles(folder: Path, profiles: Sequence[Profile]) -> None:
    """Write NetworkManager connection profiles, and remove Logboat's other profiles.

    Profiles that Logboat did not create are kept.
    """
    make_folder(folder, OWN)
    wanted = {f"{profile.name}{SUFFIX}": profile.text.encode() for profile in profiles}
    for path in folder.glob(f"logboat-*{SUFFIX}"):
        if path.name not in wanted:
            path.unlink()
    for name, content in wanted.items():
        files.write(folder / name, content, mode=files.SECRET)


def write_radio(folder: Path, radio: Radio | None, *, unmanaged: Path) -> None:
    """Write the files that logboat-radio.service reads, and make NetworkManager ignore the radio's interface.

    If `radio` is None, remove these files.
    """
    if radio is None:
        for path in (*folder.glob("*"), unmanaged):
            path.unlink(missing_ok=True)
        return
    make_folder(folder, OWN)
    make_folder(unmanaged.parent, PUBLIC)
    files.write(unmanaged, f"[keyfile]\nunmanaged-devices=interface-name:{radio.interface}\n".encode())
    files.write(folder / "interface", f"INTERFACE={radio.interface}\n".encode())
    files.write(folder / SUPPLICANT, radio.text.encode(), mode=files.SECRET)


def rekey_radio(folder: Path, key: str, *, tool: Run = run) -> None:
    """Write a new key for the radio, and restart the radio if the key has changed.

    Raise OSError or CardError if that fails.
    """
    path = folder / SUPPLICANT
    if not path.exists():
        return  # no radio is configured here
    before = path.read_text()
    after = rekeyed(before, key)
    if after == before:
        return
    files.write(path, after.encode(), mode=files.SECRET)
    try:
        tool(["systemctl", "try-restart", "logboat-radio.service"])
    except BaseException:
        files.write(path, before.encode(), mode=files.SECRET)  # the radio still uses the old key
        raise


def write_firewall(folder: Path, text: str, *, tool: Run = run) -> None:
    """Load firewall rules in addition to the image's own rules, and store them so that they can be reloaded.

    Raise CardError if nft rejects the rules.
    """
    make_folder(folder, PUBLIC)
    path, before = folder / firewall.NAME, folder / f".{firewall.NAME}"
    files.write(before, text.encode())
    tool(["nft", "--file", str(before)])
    files.rename(before, path)


def active_slot(root: Path) -> int | None:
    """Return the slot that was booted; None if the kernel's command line has no PARTUUID from this image."""
    with suppress(OSError):
        for word in (root / "proc/cmdline").read_text().split():
            if word.startswith("root=PARTUUID="):
                return _ROOTS.get(word.rpartition("-")[2])
    return None


@contextmanager
def slot(device: Path, *, tool: Run = run) -> Iterator[Path]:
    """Mount a slot's boot partition read-write for the duration of the context."""
    with TemporaryDirectory(prefix="logboat-slot-") as place:
        tool(["mount", "-o", "rw,sync", str(device), place])
        try:
            yield Path(place)
        finally:
            tool(["umount", place])


def introduce(devices: Sequence[tuple[int, str, int]], root: Path) -> None:
    """Register I2C chips for which no device tree overlay exists; skip chips that are already registered."""
    for bus, name, address in devices:
        place = root / str(new_device(bus)).lstrip("/")
        known = place.parent.parent / f"{bus}-{address:04x}"
        if not known.exists() and place.parent.is_dir():
            place.write_text(f"{name} 0x{address:02x}\n")


def groups(names: Sequence[str]) -> Mapping[str, int]:
    """Return the numeric ids of the groups in `names`, by name. Groups that do not exist are left out."""
    ids = {}
    for name in names:
        with suppress(KeyError):
            ids[name] = grp.getgrnam(name).gr_gid
    return ids


OWN_NAMES: Final = frozenset({"root", "logboat", "skipper"})
"""Names of the image's users; used if the system's user files cannot be read."""


def owned_names(root: Path) -> frozenset[str]:
    """Return the names of users and groups that the system defines in its own files."""
    names = set(OWN_NAMES)
    for name in ("passwd", "group"):
        with suppress(OSError):
            rows = (root / "etc" / name).read_text(errors="replace").splitlines()
            names |= {row.partition(":")[0] for row in rows if ":" in row}
    return frozenset(names)


def make_user(records: Mapping[str, str], *, folder: Path, home: Path, uid: int) -> None:
    """Create a user in systemd's user database, with a home folder that lasts until the next boot."""
    if any("/" in name or name.startswith(".") for name in records):
        raise OSError(None, "this user name is not allowed", str(home))
    if not folder.is_dir():  # every process looks users up here
        make_folder(folder, PUBLIC)
        folder.chmod(PUBLIC)
    for name, text in records.items():
        is_secret = name.endswith("-privileged")
        files.write(folder / name, text.encode(), mode=files.SECRET if is_secret else files.PUBLIC)
    for name in records:
        if name.endswith(".user"):
            # nss-systemd(8) looks up numeric ids through separate symbolic links.
            for ending in ("user", "group"):
                link = folder / f"{uid}.{ending}"
                link.unlink(missing_ok=True)
                link.symlink_to(f"{name.removesuffix('.user')}.{ending}")
            _make_home(home / name.removesuffix(".user"), uid)


def _make_home(place: Path, uid: int) -> None:
    """Create a user's home folder. Raise OSError if the path belongs to a different user."""
    make_folder(place, PUBLIC)
    status = place.lstat()
    is_new = status.st_uid == os.geteuid() and not any(place.iterdir())
    if place.is_symlink() or not (is_new or status.st_uid == uid):
        raise OSError(None, "the folder belongs to another user, and was not changed", str(place))
    os.chown(place, uid, uid, follow_symlinks=False)


def restart(*, tool: Run = run) -> None:
    """Restart the whole machine."""
    tool(["systemctl", "--no-block", "reboot"])


def is_root() -> bool:
    """Return True if this process runs as root."""
    return os.geteuid() == 0
