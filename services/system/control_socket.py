"""Control sockets, which pass a user's request to a running daemon.

The sockets are Unix stream sockets in the run directory. A connection carries one request and one answer.
Each of them is one line of JSON. The recorder listens on `recorder.sock`, the sync daemon on `sync.sock`, and
the lights daemon on `lights.sock` if outputs are configured:

    {"op":"add","sensor":"fuel-dip","value":0.42}
    {"ok":true,"log":"qwerty","sequence":17}   or   {"ok":false,"error":"…"}
    {"op":"retry","gateway":"office"}
    {"ok":true,"offered":3}                    or   {"ok":false,"error":"…"}
    {"op":"test","output":"siren","seconds":2}
    {"ok":true,"on":true}                      or   {"ok":false,"error":"…"}

This module defines the wire format and implements both ends. The daemon decides what a request does. The
socket's mode, owner and group determine who may connect.
"""

import contextlib
import logging
import os
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Final, Generic, Literal, Self, TypeVar

import msgspec

log = logging.getLogger(__name__)

SOCKET: Final = "recorder.sock"
"""File name of the recorder's socket, in the run directory."""
SYNC_SOCKET: Final = "sync.sock"
"""File name of the sync daemon's socket, in the run directory."""
LIGHTS_SOCKET: Final = "lights.sock"
"""File name of the lights daemon's socket, in the run directory."""
LONGEST_LINE: Final = 4_096
PATIENCE_S: Final = 5.0
"""Seconds after which the server disconnects a client that has not sent its request."""
ANSWER_S: Final = 15.0
"""Maximum time for which a client waits for the answer, in seconds. The recorder times out after 10 s."""
LONGEST_TEST_S: Final = 60.0
"""Maximum time for which a test turns an output on, in seconds."""
LONGEST_PATH: Final = 107
"""Maximum length of a socket's path in bytes, without the terminating null byte (unix(7))."""


class ControlError(Exception):
    """The daemon cannot be reached. The error message states the reason and the remedy."""


class Addition(msgspec.Struct, frozen=True, kw_only=True):
    """A request to record a value that a user entered for a sensor of kind `manual`."""

    sensor: str
    value: bool | int | float
    """Value in the sensor's SI unit."""
    op: Literal["add"] = "add"


class Retry(msgspec.Struct, frozen=True, kw_only=True):
    """A request to connect to a gateway now, and to resend the documents that the gateway rejected."""

    gateway: str
    """Name of the gateway in the configuration."""
    op: Literal["retry"] = "retry"


class OutputTest(msgspec.Struct, frozen=True, kw_only=True):
    """A request to turn an output on for a short time."""

    output: str
    """Id of the output in the configuration."""
    seconds: Annotated[float, msgspec.Meta(gt=0, le=LONGEST_TEST_S)]
    op: Literal["test"] = "test"


class ControlAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a request. After an addition, the sample is durable under `log` and `sequence`."""

    ok: bool
    log: str | None = None
    sequence: int | None = None
    offered: int | None = None
    """Number of rejected documents that will be sent again, in the answer to a `Retry`."""
    on: bool | None = None
    """State that was read back from the pin, in the answer to an `OutputTest`; None if it was not read."""
    error: str | None = None

    @classmethod
    def stored(cls, *, log: str, sequence: int) -> Self:
        """Return an answer that confirms that the sample is durable."""
        return cls(ok=True, log=log, sequence=sequence)

    @classmethod
    def refused(cls, error: str) -> Self:
        """Return an answer that reports that the request failed; `error` is the reason."""
        return cls(ok=False, error=error)


Asked = TypeVar("Asked", Addition, Retry, OutputTest)
Handler = Callable[[Asked], ControlAnswer]
"""Function that handles a request, and may block. It is called on a separate thread for each connection."""

_LISTENERS: Final[Mapping[type[msgspec.Struct], tuple[str, str]]] = {
    Addition: (SOCKET, "recorder"),
    Retry: (SYNC_SOCKET, "sync daemon"),
    OutputTest: (LIGHTS_SOCKET, "lights daemon"),
}
"""Socket's file name, and the name of the daemon that listens on it, by type of request."""
_decode_answer: Final = msgspec.json.Decoder(ControlAnswer).decode


def ask(run: Path, request: Addition | Retry | OutputTest, *, timeout: float = ANSWER_S) -> ControlAnswer:
    """Send a request to the daemon that handles it, and return the answer.

    Raise ControlError if no answer arrives.
    """
    name, who = _LISTENERS[type(request)]
    path = run / name
    try:
        with _connected(path, timeout) as connection:
            connection.sendall(msgspec.json.encode(request) + b"\n")
            with connection.makefile("rb") as lines:
                line = lines.readline(LONGEST_LINE)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise ControlError(f"the {who} is not running (no listener at {path})") from error
    except PermissionError as error:
        raise ControlError(
            f"{path}: permission denied; run this as root or as a member of group logboat"
        ) from error
    except TimeoutError as error:
        raise ControlError(f"the {who} did not respond within {timeout:g} s; run `logboat status`") from error
    except OSError as error:
        raise ControlError(f"{path}: {error.strerror or error}") from error
    try:
        return _decode_answer(line)
    except msgspec.DecodeError as error:
        raise ControlError(
            f"the {who} sent an invalid answer ({error}); check that it has the same version as this command"
        ) from error


def _connected(path: Path, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.settimeout(timeout)
        connection.connect(os.fsencode(path))
    except BaseException:
        connection.close()
        raise
    return connection


class ControlServer(Generic[Asked]):
    """Server for a control socket, as a context manager.

    A slow or faulty client does not affect other clients.
    """

    def __init__(
        self,
        path: Path,
        handler: Handler[Asked],
        *,
        asked: type[Asked],
        patience: float = PATIENCE_S,
    ) -> None:
        """Listen at `path`, replacing any socket that a killed daemon has left there.

        `asked` is the type of request that `handler` accepts. Raise OSError if the socket cannot be created.
        """
        if len(os.fsencode(path)) > LONGEST_PATH:
            raise OSError(f"{path}: too long for a socket path (at most {LONGEST_PATH} bytes)")
        self._path = path
        path.unlink(missing_ok=True)
        decode = msgspec.json.Decoder(asked).decode
        self._server = _Server(path, lambda line: handler(decode(line)), patience)
        path.chmod(0o660)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.25}, name="control", daemon=True
        )
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening. Requests in progress are still answered."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self._path.unlink(missing_ok=True)


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, path: Path, answer: Callable[[bytes], ControlAnswer], patience: float) -> None:
        self.answer = answer
        self.patience = patience
        super().__init__(str(path), _Conversation)

    def handle_error(self, request: object, client_address: object) -> None:  # noqa: ARG002
        log.exception("a request on the control socket failed")


class _Conversation(socketserver.StreamRequestHandler):
    server: _Server

    def handle(self) -> None:
        self.connection.settimeout(self.server.patience)
        # If the client has disconnected or is too slow, no answer can be sent.
        with contextlib.suppress(OSError):
            line = self.rfile.readline(LONGEST_LINE)
            if line:
                self.wfile.write(msgspec.json.encode(self._reply(line)) + b"\n")

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()

    def _reply(self, line: bytes) -> ControlAnswer:
        try:
            return self.server.answer(line)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return ControlAnswer.refused(f"invalid request: {error}")
