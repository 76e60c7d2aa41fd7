"""A virtual machine in QEMU, booted from a card image, and commands that run in it over SSH.

KVM is not used. On hosts where KVM does not work correctly, a guest's kernel may crash late in a test.
Emulation is slow but reliable. If the guest crashes, QEMU exits (`-no-reboot`, `panic=-1`). A waiting test
then fails at once, and shows the end of the console output.
"""

import base64
import json
import os
import shlex
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.image.card import Card
from tests.ports import free_port

USER = "skipper"
BOOT_S = 480.0
"""Time limit for a boot, in seconds, on a busy host. On an idle host, a boot takes half a minute."""


SSH_FAILED = 255
"""Exit code that ssh returns if the connection itself fails."""


class GuestError(Exception):
    """Error raised if the guest crashes, a command fails in it, or a wait for an event times out."""


class GuestConnectionError(GuestError):
    """Error raised if SSH cannot connect to the guest or loses the connection."""


@dataclass(frozen=True, slots=True)
class Machine:
    """QEMU program and machine options for one processor architecture."""

    command: tuple[str, ...]


MACHINES: Mapping[str, Machine] = {
    "amd64": Machine(("qemu-system-x86_64", "-M", "q35", "-cpu", "qemu64")),
    "arm64": Machine(("qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a53")),
}


@dataclass(slots=True)
class Guest:
    """Virtual machine in QEMU, as a context manager that starts it and kills it at the end of the block."""

    card: Card
    place: Path
    key: Path
    """File with the private SSH key of the user `skipper`."""
    architecture: str = "amd64"
    number: int = 1
    memory: int = 1024
    drop_ins: Mapping[str, str] = field(default_factory=dict)
    """Drop-in files for systemd units, by unit name.

    systemd receives the drop-ins as credentials, so that the card is not changed.
    """
    extra_units: Mapping[str, str] = field(default_factory=dict)
    """Additional systemd units to start at boot, by unit name."""
    forwards: Sequence[int] = ()
    """TCP ports of the guest that are forwarded to this machine, in addition to SSH."""
    nanoseconds: int | None = None
    """Exponent n that makes each instruction take 2^n ns of the guest's time, or None for full speed.

    If an exponent is set, the guest's clock depends only on the instructions that the guest executes, and not
    on this machine's load.
    """
    drive: str | None = None
    """Value of QEMU's `-drive` option for the card, or None to use the card's file directly."""
    serial: Path | None = None
    """File that receives the output of the guest's second serial port."""
    receiver: Path | None = None
    """Unix socket of the guest's second serial port, through which a test simulates a serial device."""
    network: str | None = None
    """Multicast address and port of a virtual network. Guests with the same value share a network."""
    ports: dict[int, int] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def console(self) -> Path:
        """File that receives the output of the guest's console."""
        return self.place / f"console-{self.number}.log"

    def start(self) -> None:
        """Start QEMU, and boot the guest."""
        self.ports = {port: free_port() for port in (22, *self.forwards)}
        forwards = "".join(f",hostfwd=tcp:127.0.0.1:{here}-:{port}" for port, here in self.ports.items())
        drive = self.drive or f"file={self.card.disk},if=none,id=card,format=raw,cache=writeback"
        command = [
            *MACHINES[self.architecture].command,
            *("-accel", "tcg", "-smp", "1", "-m", str(self.memory), "-display", "none", "-vga", "none"),
            *("-nodefaults", "-no-reboot", "-serial", f"file:{self.console}"),
            *("-drive", drive, "-device", "virtio-blk-pci,drive=card"),
            *("-netdev", f"user,id=n0{forwards}", "-device", "virtio-net-pci,netdev=n0,romfile="),
            *("-device", "virtio-rng-pci"),
            *("-kernel", str(self.card.kernel), "-initrd", str(self.card.initramfs)),
            *("-append", self._command_line()),
        ]
        if self.nanoseconds is not None:
            command += ["-icount", f"shift={self.nanoseconds}"]
        if self.serial is not None:
            command += [
                "-chardev",
                f"file,id=ledger,path={self.serial},append=on",
                "-serial",
                "chardev:ledger",
            ]
        if self.receiver is not None:
            command += ["-chardev", f"socket,id=receiver,path={self.receiver},server=on,wait=off"]
            command += ["-serial", "chardev:receiver"]
        if self.network is not None:
            mac = f"52:54:00:00:00:{self.number:02x}"
            command += ["-netdev", f"socket,id=l2,mcast={self.network},localaddr=127.0.0.1"]
            command += ["-device", f"virtio-net-pci,netdev=l2,mac={mac},romfile="]
        for kind, units in (("unit-dropin", self.drop_ins), ("extra-unit", self.extra_units)):
            for unit, text in units.items():
                value = base64.b64encode(text.encode()).decode()
                name = f"io.systemd.credential.binary:systemd.{kind}.{unit}"
                command += ["-smbios", f"type=11,value={name}={value}"]
        self.console.unlink(missing_ok=True)
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, cwd=self.place)

    def _command_line(self) -> str:
        line = self.card.command_line.replace("panic=10", "panic=-1")
        if self.architecture == "arm64":
            line = line.replace("console=serial0,115200 console=tty1", "console=ttyAMA0")
        return " ".join([line, *(f"systemd.wants={unit}" for unit in self.extra_units)])

    def kill(self) -> None:
        """Kill QEMU, which has the effect of a power failure on the guest."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def is_alive(self) -> bool:
        """Return True if QEMU is running."""
        return self._process is not None and self._process.poll() is None

    def wait_for(
        self, what: str, done: Callable[[], bool], *, seconds: float = BOOT_S, every: float = 0.5
    ) -> None:
        """Wait until `done` returns True.

        Raises:
            GuestError: `done` did not return True in time, or the guest has crashed.
        """
        end = time.monotonic() + seconds
        while not self._tried(done):
            if not self.is_alive():
                raise GuestError(f"the guest died before {what}:\n{self.last_words()}")
            if time.monotonic() > end:
                raise GuestError(f"after {seconds:.0f} s still not {what}:\n{self.last_words()}")
            time.sleep(every)

    @staticmethod
    def _tried(done: Callable[[], bool]) -> bool:
        """Return the result of `done`, or False if the connection to the guest is lost during the call."""
        try:
            return done()
        except GuestConnectionError:
            return False

    def wait_for_end(self, what: str, *, seconds: float = BOOT_S) -> None:
        """Wait until the guest powers off or reboots. In both cases QEMU exits.

        Raises:
            GuestError: QEMU is not running, or did not exit in time.
        """
        if self._process is None:
            raise GuestError(f"no guest runs before {what}")
        try:
            self._process.wait(timeout=seconds)
        except subprocess.TimeoutExpired as error:
            raise GuestError(f"after {seconds:.0f} s still not {what}:\n{self.last_words()}") from error

    def wait_for_login(self) -> None:
        """Wait until the guest accepts logins."""
        self.wait_for("login", lambda: self._ssh("true", seconds=20).returncode == 0)

    def last_words(self) -> str:
        """Return the end of the guest's console output."""
        if not self.console.exists():
            return "(nothing)"
        return self.console.read_bytes()[-2500:].decode(errors="replace")

    def run(self, command: str, *, seconds: float = 120, check: bool = True) -> str:
        """Run a shell command as the user `skipper`, and return its output.

        Raises:
            GuestConnectionError: SSH failed, for example because the guest rebooted and QEMU exited.
            GuestError: the command failed.
        """
        done = self._ssh(command, seconds=seconds)
        if check and done.returncode == SSH_FAILED:
            state = "QEMU is running" if self.is_alive() else "QEMU has ended"
            raise GuestConnectionError(f"{command}: {done.stderr}{state}; the console:\n{self.last_words()}")
        if check and done.returncode:
            raise GuestError(f"{command}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout.strip()

    def root(self, command: str, *, seconds: float = 120, check: bool = True) -> str:
        """Run a shell command as root, and return its output."""
        return self.run(f"sudo sh -c {shlex.quote(command)}", seconds=seconds, check=check)

    def json(self, command: str) -> Any:
        """Run a command that prints JSON, and return the parsed value."""
        return json.loads(self.run(command))

    def ssh(self, *options: str, user: str = USER, command: str = "true") -> subprocess.CompletedProcess[str]:
        """Run a command over SSH with additional options or as a different user, and return the result."""
        first, *rest = self._options()  # if an option is given twice, ssh uses the first
        words = [first, *options, *rest, f"{user}@127.0.0.1", command]
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)

    def put(self, source: Path, target: str) -> None:
        """Copy a file into the guest."""
        command = [*self._options(), f"{USER}@127.0.0.1", f"cat > {shlex.quote(target)}"]
        subprocess.run(command, input=source.read_bytes(), check=True, timeout=120)

    def _ssh(self, command: str, *, seconds: float) -> subprocess.CompletedProcess[str]:
        words = [*self._options(), f"{USER}@127.0.0.1", command]
        try:
            return subprocess.run(
                words, capture_output=True, text=True, check=False, timeout=seconds, stdin=subprocess.DEVNULL
            )
        except subprocess.TimeoutExpired as error:
            return subprocess.CompletedProcess(words, 124, "", str(error))

    def _options(self) -> list[str]:
        options = {
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": os.devnull,
            "IdentitiesOnly": "yes",
            "BatchMode": "yes",
            "LogLevel": "ERROR",
            "ConnectTimeout": "20",
            "ControlMaster": "auto",
            "ControlPath": str(self.place / f"ssh-{self.number}-{self.ports[22]}"),
            "ControlPersist": "60",
            "ServerAliveInterval": "15",
        }
        words = ["ssh", "-F", os.devnull, "-i", str(self.key), "-p", str(self.ports[22])]
        return [*words, *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]


def answers_tls(port: int, *, seconds: float = 20.0) -> bool:
    """Return True if the service on a forwarded port performs a TLS handshake.

    QEMU itself accepts connections on the port, so a connection alone does not prove that the service runs.
    """
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as plain:
            context.wrap_socket(plain).close()
    except ssl.SSLError as error:  # the service uses TLS, and requires a client certificate
        return "ALERT" in str(error) or "CERTIFICATE" in str(error)
    except OSError:
        return False
    return True


def answers_http(port: int, *, seconds: float = 10.0) -> bool:
    """Return True if the service on a forwarded port responds to an HTTP request."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=seconds) as plain:
            plain.sendall(b"GET / HTTP/1.0\r\n\r\n")
            return plain.recv(4) == b"HTTP"
    except OSError:
        return False
