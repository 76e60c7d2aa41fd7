"""The demo's services ashore: an office with a listener, and a real MQTT broker with a subscriber.

Only one vessel has a link to the shore. Both services use the loopback interface.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from sync import documents
from sync.documents import POLICY, DocumentType
from sync.folders import OWN
from sync.gateway.forwarded import bounds_of, forwarded_id
from sync.store import Database

from .ports import free_ports
from .store_differences import Standing
from .vessel import DemoError

OFFICE: Final = "office"
BROKER: Final = "broker"
"""Name of the gateway of kind `mqtt`, whose service ashore is the broker."""
_LOOPBACK: Final = "127.0.0.1"
_START_WITHIN_S: Final = 20.0
AGAIN_AFTER_S: Final = 30.0
"""Delay before a service that has exited is restarted, in seconds.

During this time, the user can see how the vessels report the exit.
"""
_NEWS: Final = (DocumentType.READING, DocumentType.GAP, DocumentType.BOOT)
"""Types of documents that never change. Each document must arrive by MQTT exactly as stored."""


class _Head(msgspec.Struct, gc=False):
    id: str = msgspec.field(name="_id", default="")


@dataclass(frozen=True, slots=True)
class ArrivedDocuments:
    """Counts of the documents that have arrived ashore."""

    by: str
    """Id of the vessel with the link to the shore."""
    wanted: int
    """Number of documents that should arrive ashore."""
    in_office: int
    """Number of these documents that are in the office's store at the same revision."""
    news: int | None
    """Number of these documents that never change; None if there is no broker."""
    heard: int = 0
    """Number of unchanging documents that arrived by MQTT."""
    twice: int = 0
    """Number of unchanging documents that arrived by MQTT more than once."""

    @property
    def is_complete(self) -> bool:
        """True if all documents that should arrive ashore have arrived."""
        return self.in_office == self.wanted and (self.news is None or self.heard == self.news)


class Shore:
    """The demo's two services ashore, an office and a broker, which run from `start` to `kill`."""

    def __init__(self, folder: Path, vessel: str, *, listens: bool = True) -> None:
        """Prepare both services for one vessel.

        If `listens` is True, the documents that arrive by MQTT are counted, which uses memory for each
        document.
        """
        self.vessel: Final = vessel
        self._listens = listens
        self._folder = folder
        self._password = secrets.token_urlsafe(12)
        self._program = shutil.which("mosquitto") or shutil.which(
            "mosquitto", path="/usr/sbin:/usr/local/sbin"
        )
        self._stations: list[_Station] = []
        self._listener: _Listener | None = None
        self._database: Database | None = None

    @property
    def has_broker(self) -> bool:
        """True if a broker is installed on this machine."""
        return self._program is not None

    def start(self) -> str:
        """Start both services, and return the gateway sections for the vessel's `logboat.toml`.

        Raise DemoError if a service does not start.
        """
        self._folder.mkdir(mode=OWN)
        messages = self._office()
        if self._program is not None:
            messages += self._broker(self._program)
        return messages

    def ashore(self, standing: Standing) -> ArrivedDocuments:
        """Count the documents that have arrived ashore.

        `standing` contains the current revision of every document in the vessel's store. Raise StoreError if
        a store cannot be read.
        """
        wanted = {
            name: rev for name, rev in standing.items() if not name.startswith(f"{DocumentType.FORWARDED}:")
        }
        there: dict[str, str] = {}
        if self._database is None and self._store.exists():
            self._database = Database.open(self._store, policy=POLICY, create=False)
        if self._database is not None:
            there = {change.id: change.rev for change in self._database.changes()}
        in_office = sum(there.get(name) == rev for name, rev in wanted.items())
        if self._listener is None:
            return ArrivedDocuments(self.vessel, len(wanted), in_office, None)
        news = {name for name in wanted if name.startswith(tuple(f"{kind}:" for kind in _NEWS))}
        heard = self._listener.heard
        return ArrivedDocuments(
            self.vessel,
            len(wanted),
            in_office,
            len(news),
            sum(name in heard for name in news),
            sum(heard.get(name, 0) > 1 for name in news),
        )

    def is_noted(self, store: Database) -> bool:
        """Return True if the vessel's store records that all readings from the whole fleet are ashore.

        Raise StoreError if the store cannot be read.
        """
        ends: dict[tuple[str, str, str], int] = {}
        for change in store.changes():
            name = documents.parse_id(change.id)
            if name is not None and name.kind is DocumentType.READING:
                assert name.sensor is not None
                assert name.log is not None
                key = name.vessel, name.sensor, name.log
                ends[key] = max(name.number or 0, ends.get(key, 0))
        for gateway in (OFFICE, *((BROKER,) if self.has_broker else ())):
            noted = store.get(forwarded_id(gateway, self.vessel))
            bounds = {} if noted is None else bounds_of(noted)
            if any(bounds.get(key, 0) < last for key, last in ends.items()):
                return False
        return True

    def check(self) -> None:
        """Raise DemoError if a process has exited unexpectedly."""
        for station in self._stations:
            if station.process.poll() is not None:
                raise DemoError(f"{station.name} has stopped: see {station.log}")

    def restart_exited(self, now: float) -> list[str]:
        """Restart processes that exited some time ago, and return messages about them.

        `now` is the time in seconds, from any clock.
        """
        messages = []
        for station in self._stations:
            if station.process.poll() is None:
                continue
            if station.ended is None:
                station.ended = now
                messages.append(f"ashore: {station.name} has stopped; restarting in {AGAIN_AFTER_S:.0f} s")
            elif now - station.ended >= AGAIN_AFTER_S:
                station.start()
                messages.append(f"ashore: {station.name} has restarted")
        return messages

    def kill(self) -> None:
        """Kill all processes, regardless of their state."""
        if self._listener is not None:
            self._listener.end()
        for station in self._stations:
            station.kill()
        self._stations.clear()
        if self._database is not None:
            self._database.close()
            self._database = None

    @property
    def _store(self) -> Path:
        return self._folder / "office.db"

    def _office(self) -> str:
        port, secret = next(free_ports()), self._folder / "office.password"
        secret.touch(mode=0o600)
        secret.write_text(self._password)
        command = [sys.executable, "-m", "services", "db", "serve", str(self._store), "--name", "fleet"]
        command += ["--host", _LOOPBACK, "--port", str(port)]
        command += ["--user", self.vessel, "--password-file", str(secret)]
        station = _Station("the office", command, self._folder / "office.log")
        process = station.start(stdout=subprocess.PIPE)
        self._stations.append(station)
        assert process.stdout is not None
        pin = None
        while pin is None:
            line = process.stdout.readline()
            if not line:
                raise DemoError(f"`logboat db serve` did not start; see {station.log}")
            pin = next((word for word in line.split() if len(word.replace(":", "")) == 64), None)
        return (
            f'[[gateway]]\nname = "{OFFICE}"\nkind = "couchbase"\nurl = "wss://{_LOOPBACK}:{port}/fleet"\n'
            f'user = "{self.vessel}"\npassword_file = "{secret}"\npin = "{pin}"\n\n'
        )

    def _broker(self, program: str) -> str:
        port, configuration = next(free_ports()), self._folder / "mosquitto.conf"
        lines = [f"listener {port} {_LOOPBACK}", "allow_anonymous true", "max_queued_messages 1000000"]
        if os.geteuid() == 0:
            # the broker would switch to a different user, which root in a user namespace cannot do
            lines.append("user root")
        configuration.write_text("\n".join([*lines, ""]))
        station = _Station("mosquitto", [program, "-c", str(configuration)], self._folder / "mosquitto.log")
        station.start()
        self._stations.append(station)
        ends = time.monotonic() + _START_WITHIN_S
        while True:
            self.check()
            with socket.socket() as probe:
                if probe.connect_ex((_LOOPBACK, port)) == 0:
                    break
            if time.monotonic() > ends:
                raise DemoError(f"mosquitto does not respond: see {station.log}")
            time.sleep(0.05)
        if self._listens:
            self._listener = _Listener(port)
        return f'[[gateway]]\nname = "{BROKER}"\nkind = "mqtt"\nurl = "mqtt://{_LOOPBACK}:{port}"\n\n'


class _Station:
    """A process that runs ashore."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name, self.log = name, log
        self.ended: float | None = None
        """Time at which the process was found to have exited unexpectedly; None if it has not."""
        self._command = command
        self._process: subprocess.Popen[str] | None = None

    @property
    def process(self) -> subprocess.Popen[str]:
        """The process; it must have been started."""
        assert self._process is not None
        return self._process

    def start(self, *, stdout: int | None = None) -> subprocess.Popen[str]:
        """Start the process and return it.

        `stdout` is passed to `subprocess.Popen`; None sends it to the log, together with standard error.
        """
        self.ended = None
        if self._process is not None and self._process.stdout is not None:
            self._process.stdout.close()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log if stdout is None else stdout,
                stderr=log,
                text=True,
                start_new_session=True,
            )
        return self._process

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


class _Listener:
    """An MQTT subscriber that runs in its own thread."""

    def __init__(self, port: int) -> None:
        """Subscribe to all topics. Raise DemoError if the broker does not accept the subscription."""
        self.heard: dict[str, int] = {}
        """Number of times that each document has arrived, by document id."""
        subscribed = threading.Event()
        self._client = client = paho.Client(CallbackAPIVersion.VERSION2)
        client.on_connect = self._connected
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = self._message
        client.connect(_LOOPBACK, port)
        client.loop_start()
        if not subscribed.wait(_START_WITHIN_S):
            raise DemoError("mosquitto refuses subscriptions")

    def end(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, *_: object) -> None:
        self._client.subscribe("logboat/#", qos=1)

    def _message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        try:
            name = msgspec.json.decode(message.payload, type=_Head).id
        except msgspec.DecodeError:
            return  # presence messages carry no document
        self.heard[name] = self.heard.get(name, 0) + 1
