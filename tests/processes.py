"""Replacements for `subprocess.Popen` and `subprocess.run` that need not start a new interpreter.

A new interpreter takes half a second to import Logboat's modules. Instead, the server `tests.forkserver`,
which has already imported the modules, forks. The new process is a child of the calling process. It has its
own process id, files, signals and exit status, and SIGKILL ends it like any other process.

Calls that the server does not support are passed to `subprocess`, for example other programs, interpreter
options, or `preexec_fn`. A test that checks how a program starts uses `subprocess` directly.
"""

import atexit
import ctypes
import inspect
import json
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from tests.forkserver import LONGEST

ROOT: Final = Path(__file__).parents[1]
LOGBOAT: Final = str(Path(sys.executable).with_name("logboat"))
IN_NAMESPACE: Final = ("ip", "netns", "exec", "", "setpriv", "--pdeathsig", "KILL")
"""Prefix that runs a command in a network namespace, whose name replaces the empty argument."""
_AT_START: Final = re.compile("PYTHON|LD_|LC_|LANG|MALLOC|GLIBC_|OPENSSL|SSL_|NOTIFY_SOCKET$")
"""Environment variables that take effect at startup, or that request a notification."""
_PR_SET_CHILD_SUBREAPER: Final = 36
"""Option of prctl(2), from <linux/prctl.h>."""
_IMPOSSIBLE: Final = {
    "preexec_fn": None,
    "executable": None,
    "shell": False,
    "close_fds": True,
    "restore_signals": True,
    "gid": None,
    "gids": None,
    "uid": None,
    "process_group": -1,
}
"""Arguments of `subprocess.Popen` that the server supports only with these default values."""


class _Server:
    """Connection to the fork server of this process, which is started at the first request."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asker: socket.socket | None = None
        self._prctl = ctypes.CDLL(None, use_errno=True).prctl
        self.at_start = at_start(os.environ)

    def start(self, request: dict[str, Any], files: Sequence[int]) -> int:
        data = json.dumps(request).encode()
        if len(data) > LONGEST:
            raise _NotHereError
        with self._lock:
            asker = self._asker or self._served()
            # Set only during the request, because this process must not adopt other orphans.
            self._prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(asker, [data], files)
                answer = asker.recv(20)
                assert answer, "the fork server has ended; what it said is on standard error"
                return int(answer)
            finally:
                self._prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)

    def _served(self) -> socket.socket:
        self._asker, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.forkserver", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                env={n: v for n, v in os.environ.items() if not _AT_START.match(n)} | self.at_start,
            )
        atexit.register(_end, self._asker, process)
        return self._asker


def _end(asker: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    asker.close()
    process.wait()


def at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if _AT_START.match(name)}


def within(namespace: str, argv: Sequence[str]) -> list[str]:
    """Return a command that runs `argv` in a network namespace, and that is killed when its parent ends."""
    return [word or namespace for word in IN_NAMESPACE] + list(argv)


class _NotHereError(Exception):
    """Error raised if the fork server does not support a call, so that `subprocess` must be used."""


class Popen(subprocess.Popen[Any]):
    """Variant of `subprocess.Popen` that lets the fork server start the process if the server supports it."""

    is_forked = False

    def _execute_child(self, *args: Any) -> None:
        how = inspect.signature(super()._execute_child).bind(*args).arguments  # type: ignore[misc]
        try:
            pid = _ask(how)
        except _NotHereError:
            super()._execute_child(*args)  # type: ignore[misc]
            return
        self.pid, self.is_forked = pid, True
        self._child_created = True
        names = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(how[name] for name in names))  # type: ignore[attr-defined]


def run(
    args: Sequence[str],
    *,
    capture_output: bool = False,
    timeout: float | None = None,
    check: bool = False,
    input: Any = None,  # noqa: A002
    **how: Any,
) -> "subprocess.CompletedProcess[Any]":
    """Run a command like `subprocess.run`, but with this module's `Popen`."""
    if input is not None:
        how["stdin"] = subprocess.PIPE
    if capture_output:
        how["stdout"] = how["stderr"] = subprocess.PIPE
    with Popen(args, **how) as process:
        try:
            out, err = process.communicate(input, timeout=timeout)
        except BaseException:
            process.kill()
            raise
    done = subprocess.CompletedProcess(process.args, process.wait(), out, err)
    if check:
        done.check_returncode()
    return done


def _ask(how: Mapping[str, Any]) -> int:
    """Let the fork server start a process, and return its process id.

    Raises:
        _NotHereError: The server does not support these arguments.
    """
    environment = dict(os.environ if how["env"] is None else how["env"])
    if any(how.get(name, usual) != usual for name, usual in _IMPOSSIBLE.items()):
        raise _NotHereError
    if at_start(environment) != _SERVER.at_start:
        raise _NotHereError
    keep = sorted(how["pass_fds"])
    given = (how["p2cread"], how["c2pwrite"], how["errwrite"])
    request = {
        **_program([os.fspath(word) for word in how["args"]]),
        "keep": keep,
        "session": bool(how["start_new_session"]),
        "umask": _umask() if how["umask"] < 0 else how["umask"],
        "cwd": os.fspath(how["cwd"] or Path.cwd()),
        "environment": environment,
    }
    files = [own if number == -1 else number for own, number in enumerate(given)]
    return _SERVER.start(request, [*files, *keep])


def _program(argv: Sequence[str]) -> dict[str, Any]:
    """Return the program and the network namespace of a command, in the form of a request to the server.

    Raises:
        _NotHereError: The server does not support this command.
    """
    namespace = ""
    if len(argv) > len(IN_NAMESPACE) and argv == within(argv[3], argv[len(IN_NAMESPACE) :]):
        namespace, argv = argv[3], argv[len(IN_NAMESPACE) :]
    where = {"namespace": namespace, "dies": bool(namespace)}
    match argv:
        case [sys.executable, "-m" | "-c", _, *_]:
            return where | {"argv": argv[1:]}
        case [first, *_] if first == LOGBOAT:
            return where | {"argv": ["script", *argv]}
    raise _NotHereError


def _umask() -> int:
    """Return the umask of this process. `os.umask()` cannot return it without changing it."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("\nUmask:")[2].split()[0], 8)


_SERVER: Final = _Server()
