"""`Popen` and `run` as `subprocess` has them, without the cost of an interpreter's start.

An interpreter imports Logboat's modules for half a second; `tests.forkserver` has imported them, and forks.
The process is a child of this one, with its own number, files, signals and exit status. SIGKILL ends it as it
ends any other. What the server cannot start, `subprocess` starts: other programs and options, another
environment of the interpreter, a function before the start. A test about the start itself uses `subprocess`.
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
"""What stands before a command that runs in a network namespace; the name is left out."""
_AT_START: Final = re.compile("PYTHON|LD_|LC_|LANG|MALLOC|GLIBC_|OPENSSL|SSL_|NOTIFY_SOCKET$")
"""Variables that an interpreter, or a library, reads when it starts, or that tell somebody of the start."""
_PR_SET_CHILD_SUBREAPER: Final = 36
"""From <linux/prctl.h>."""
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
"""Arguments of `subprocess.Popen` that the server does not know, with the values that change nothing."""


class _Server:
    """The one of this process; started when first needed, with the environment of that moment."""

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
            # Only for this moment: orphans of other processes are not ours to wait for.
            self._prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(asker, [data], files)
                return int(asker.recv(20))
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
            )
        atexit.register(_end, self._asker, process)
        return self._asker


def _end(asker: socket.socket, process: "subprocess.Popen[bytes]") -> None:
    asker.close()
    process.wait()


def at_start(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if _AT_START.match(name)}


def within(namespace: str, argv: Sequence[str]) -> list[str]:
    """Return a command that runs another in a network namespace; it ends with the process that starts it."""
    return [word or namespace for word in IN_NAMESPACE] + list(argv)


class _NotHereError(Exception):
    """The server cannot start this; `subprocess` can."""


class Popen(subprocess.Popen[Any]):
    """As `subprocess.Popen`; by fork where that is the same."""

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
    """As `subprocess.run`."""
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
    """Have the server start it; the process id. Raises _NotHereError."""
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
    """Return what the server is to run, and where. Raises _NotHereError."""
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
    """This process's own, which cannot be asked for without changing it otherwise."""
    text = Path("/proc/self/status").read_text()
    return int(text.partition("\nUmask:")[2].split()[0], 8)


_SERVER: Final = _Server()
