"""A real mosquitto broker on a free loopback port, and a client that subscribes to its messages."""

import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.polling import wait_until
from tests.ports import free_port

PATIENCE = 30.0


def program() -> str:
    """Return the path of the mosquitto program. If it is not installed, skip the test, or fail it in CI."""
    found = shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI must run this test, and cannot: there is no mosquitto")
        pytest.skip("needs Debian's mosquitto")
    return found


class Broker:
    """Mosquitto process that a test can start and stop repeatedly on the same port."""

    def __init__(self, folder: Path, *lines: str, anonymous: bool = True) -> None:
        self.folder, self.port = folder, free_port()
        self._program = program()
        self._process: subprocess.Popen[bytes] | None = None
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)
        self.configuration = folder / "mosquitto.conf"
        self.configuration.write_text(
            "\n".join(
                (
                    f"listener {self.port} 127.0.0.1",
                    f"allow_anonymous {str(anonymous).lower()}",
                    "user root",
                    # The broker queues messages for a slow subscriber instead of dropping them.
                    "max_queued_messages 1000000",
                    "max_inflight_messages 0",
                    f"log_dest file {folder / 'mosquitto.log'}",
                    *lines,
                    "",
                )
            )
        )

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [self._program, "-c", self.configuration], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._answers, f"mosquitto answers; see {self.folder}")
        return self

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def reload(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGHUP)

    def _end(self, number: int) -> None:
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(PATIENCE)
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "mosquitto.log").read_text()
        with socket.socket() as probe:
            probe.settimeout(1)
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass(frozen=True)
class Heard:
    topic: str
    payload: bytes
    is_retained: bool


@dataclass
class Listener:
    """MQTT client that records received messages in a separate thread, as a context manager.

    By default, the client subscribes to all topics.
    """

    port: int
    user: str | None = None
    password: str | None = None
    filters: tuple[str, ...] = ("#",)
    heard: list[Heard] = field(default_factory=list)
    subscribed: int = 0
    """Number of times that the broker has accepted the client's subscription."""

    def __post_init__(self) -> None:
        self._subscribed = threading.Event()
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"listener-{id(self)}", clean_session=False
        )
        if self.user is not None:
            client.username_pw_set(self.user, self.password)
        client.on_connect = self._connected
        client.on_subscribe = self._is_subscribed
        client.on_message = self._message
        client.reconnect_delay_set(1, 1)

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self.port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: bytes, *, retain: bool = True) -> None:
        """Publish a message, and wait for the broker's acknowledgement."""
        self._client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(PATIENCE)

    def _connected(self, *_: object) -> None:
        self._client.subscribe([(each, 1) for each in self.filters])

    def _is_subscribed(self, *_: object) -> None:
        self.subscribed += 1
        self._subscribed.set()

    def _message(self, _client: Any, _data: Any, message: paho.MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, bytes(message.payload), message.retain))

    def retain(self, topic: str, payload: bytes) -> None:
        """Publish a message that the broker retains, and wait for the broker's acknowledgement."""
        self._client.publish(topic, payload, qos=1, retain=True).wait_for_publish(PATIENCE)

    def on(self, ending: str) -> list[Heard]:
        """Return the received messages whose topic has this ending, in the order of arrival."""
        return [each for each in list(self.heard) if each.topic.endswith(ending)]


def retained(port: int) -> dict[str, bytes]:
    """Return the payloads of all retained messages, by topic, as a new subscriber receives them."""
    probe = f"probe/{secrets.token_hex(8)}"
    with Listener(port) as late:
        # The broker delivers the probe after all retained messages, which are already in its queue.
        late.publish(probe, b"", retain=False)
        wait_until(lambda: late.on(probe), "what is retained has come")
        return {each.topic: each.payload for each in late.heard if each.is_retained}


def passwords(folder: Path, users: Iterable[tuple[str, str]]) -> Path:
    """Create a password file for mosquitto from (user, password) pairs, and return its path."""
    path = folder / "passwords"
    path.touch(mode=0o644)
    for user, password in users:
        subprocess.run(["mosquitto_passwd", "-b", path, user, password], check=True, capture_output=True)
    return path
