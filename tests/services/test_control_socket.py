"""The control socket passes values that users enter to the recorder."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from services.system.control_socket import (
    LONGEST_LINE,
    SOCKET,
    Addition,
    ControlAnswer,
    ControlError,
    ControlServer,
    ask,
)

STORED = ControlAnswer.stored(log="abcdef", sequence=7)


@pytest.fixture
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with a short name, because the path of a socket is limited to 107 bytes."""
    return tmp_path_factory.mktemp("c")


@contextmanager
def server(run: Path, handler: Callable[[Addition], ControlAnswer], **options: Any) -> Iterator[None]:
    with ControlServer(run / SOCKET, handler, asked=Addition, **options):
        yield


def talk(run: Path, sent: bytes) -> bytes:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(60)
        connection.connect(str(run / SOCKET))
        connection.sendall(sent)
        with connection.makefile("rb") as lines:
            return lines.readline()


@pytest.mark.parametrize("value", [0.42, 3, True])
def test_value_reaches_the_recorder_and_its_answer_is_returned(run: Path, value: float) -> None:
    asked = []

    def handler(addition: Addition) -> ControlAnswer:
        asked.append(addition)
        return STORED

    with server(run, handler):
        assert ask(run, Addition(sensor="fuel-dip", value=value)) == STORED
    assert asked == [Addition(sensor="fuel-dip", value=value)]
    assert type(asked[0].value) is type(value)


def test_request_and_answer_are_one_line_of_json_each(run: Path) -> None:
    with server(run, lambda _: STORED):
        assert talk(run, b'{"op":"add","sensor":"fuel-dip","value":1}\n') == (
            b'{"ok":true,"log":"abcdef","sequence":7}\n'
        )


def test_refusal_states_the_reason(run: Path) -> None:
    with server(run, lambda _: ControlAnswer.refused("no such sensor")):
        answer = ask(run, Addition(sensor="x", value=1))
    assert (answer.ok, answer.error) == (False, "no such sensor")


@pytest.mark.parametrize(
    "sent",
    [
        b"\n",
        b"hello\n",
        b"[]\n",
        b'{"op":"remove","sensor":"x","value":1}\n',
        b'{"op":"add","value":1}\n',
        b'{"op":"add","sensor":"x","value":"much"}\n',
        b'"' + b"x" * LONGEST_LINE + b'"\n',
        b'{"op":"add","sensor":"\xff","value":1}\n',
        b'{"notes":' + b"[" * (LONGEST_LINE - 100) + b"\n",
    ],
)
def test_invalid_request_is_refused_and_the_next_client_is_served(run: Path, sent: bytes) -> None:
    with server(run, lambda _: STORED):
        assert talk(run, sent).startswith(b'{"ok":false,"error":"invalid request')
        assert ask(run, Addition(sensor="x", value=1)) == STORED


def test_silent_client_is_disconnected_and_affects_nobody(run: Path) -> None:
    with server(run, lambda _: STORED, patience=0.2), socket.socket(socket.AF_UNIX) as silent:
        silent.settimeout(60)
        silent.connect(str(run / SOCKET))
        assert ask(run, Addition(sensor="x", value=1)) == STORED
        assert silent.recv(1) == b""


def test_missing_recorder_is_reported_in_a_sentence(run: Path) -> None:
    with pytest.raises(ControlError, match="the recorder is not running"):
        ask(run, Addition(sensor="x", value=1))


def test_socket_of_a_killed_recorder_is_reported_in_a_sentence_and_can_be_replaced(run: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(run / SOCKET))
    with pytest.raises(ControlError, match="the recorder is not running"):
        ask(run, Addition(sensor="x", value=1))
    with server(run, lambda _: STORED):
        assert ask(run, Addition(sensor="x", value=1)) == STORED


def test_missing_answer_is_reported_in_a_sentence(run: Path) -> None:
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(run / SOCKET))
        mute.listen()
        with pytest.raises(ControlError, match="did not respond within"):
            ask(run, Addition(sensor="x", value=1), timeout=0.1)


def test_invalid_answer_is_reported_in_a_sentence(run: Path) -> None:
    def failing(_: Addition) -> ControlAnswer:
        raise RuntimeError("a bug")

    with server(run, failing), pytest.raises(ControlError, match="invalid answer"):
        ask(run, Addition(sensor="x", value=1))


def test_only_owner_and_group_may_connect_and_the_socket_is_removed(run: Path) -> None:
    with server(run, lambda _: STORED):
        assert (run / SOCKET).stat().st_mode & 0o777 == 0o660
    assert not (run / SOCKET).exists()


def test_path_that_is_too_long_for_a_socket_is_reported(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="too long for a socket path"):
        ControlServer(tmp_path / ("x" * 120), lambda _: STORED, asked=Addition)
