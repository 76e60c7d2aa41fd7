"""Server that starts Python programs by forking, run by `python -m tests.forkserver SOCKET`.

The server has imported Logboat's modules, but has not started any of their services. A forked child is in the
state that a new interpreter reaches only after half a second. `tests.processes` sends the server requests to
start programs. The child sets up its files, working directory, environment and arguments, and runs the
program. At the end, it cleans up as an interpreter does.

Each program becomes a child of the process that requested it. To achieve this, the server forks twice, and
its own child exits at once. The kernel then makes the nearest ancestor that adopts orphans the parent of the
program (PR_SET_CHILD_SUBREAPER, prctl(2)).
"""

import atexit
import builtins
import contextlib
import ctypes
import fcntl
import gc
import io
import json
import os
import pkgutil
import runpy
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NoReturn, TextIO

IMPORTED: Final = ("services", "sync", "sensors")
LEFT_OUT: Final = ("services.screens.top",)
"""Packages that the server does not import, because they are slow to import and few programs need them."""
LONGEST: Final = 200_000
"""Maximum size of a request, which contains a program's arguments and environment, in bytes."""
MOST_FILES: Final = 64
_PR_SET_PDEATHSIG: Final = 1
"""Option of prctl(2), from <linux/prctl.h>."""
_CLONE_NEWNS: Final = 0x20000
_CLONE_NEWNET: Final = 0x40000000
"""Flags of setns(2) and unshare(2), from <linux/sched.h>."""
_MS_REC_SLAVE: Final = 0x4000 | 0x80000
_MNT_DETACH: Final = 2
"""Flags of mount(2) and umount2(2), from <sys/mount.h>."""
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def main() -> None:
    """Import Logboat's modules, and serve requests until the requesting process has ended."""
    asker = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is handled by the requesting process
    for name in IMPORTED:
        _import_all(name)
    assert threading.active_count() == 1, "a program would miss the server's threads"
    gc.collect()
    gc.freeze()
    while True:
        data, files, _, _ = socket.recv_fds(asker, LONGEST, MOST_FILES)
        if not data:
            return
        asker.send(str(_start(json.loads(data), files)).encode())


def _import_all(package: str) -> None:
    for found in pkgutil.walk_packages(import_module(package).__path__, f"{package}."):
        if not found.name.endswith("__main__") and not found.name.startswith(LEFT_OUT):
            import_module(found.name)


def _start(request: dict[str, Any], files: Sequence[int]) -> int:
    """Fork a process that runs a program, and return its process id.

    The program begins only when the process is a child of the process that requested it.
    """
    told, tell = os.pipe()
    adopted, not_yet = os.pipe()
    between = os.fork()
    if not between:
        program = os.fork()
        if program:
            os.write(tell, str(program).encode())
            os._exit(0)
        os.close(not_yet)
        os.read(adopted, 1)
        _run(request, files)
    os.waitpid(between, 0)
    number = int(os.read(told, 20))
    for descriptor in (*files, told, tell, adopted, not_yet):
        os.close(descriptor)
    return number


def _run(request: dict[str, Any], files: Sequence[int]) -> NoReturn:
    status = 255
    try:
        _take(files, (0, 1, 2, *request["keep"]))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if request["session"]:
            os.setsid()
        if request["dies"]:
            _call("prctl", _PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if request["namespace"]:
            _enter(request["namespace"])
        os.umask(request["umask"])
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        sys.stdin, sys.stdout, sys.stderr = map(_stream, range(3), (sys.stdin, sys.stdout, sys.stderr))
        vars(sys).update(__stdin__=sys.stdin, __stdout__=sys.stdout, __stderr__=sys.stderr)
        status = _ended(_program(request["argv"]))
    except BaseException:
        os.write(2, f"the fork server could not start it:\n{traceback.format_exc()}".encode())
    finally:
        os._exit(status)


def _take(files: Sequence[int], numbers: Sequence[int]) -> None:
    """Move received file descriptors to the requested numbers, and close all other descriptors."""
    above = max(numbers) + 1
    held = [fcntl.fcntl(descriptor, fcntl.F_DUPFD, above) for descriptor in files]
    for descriptor, number in zip(held, numbers, strict=True):
        os.dup2(descriptor, number, inheritable=True)
    for number in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if number not in numbers:
            with contextlib.suppress(OSError):  # descriptor of the listing itself, which is already closed
                os.close(number)


def _enter(namespace: str) -> None:
    """Enter a network namespace as `ip netns exec` does, and mount the /sys that belongs to it."""
    with Path("/run/netns", namespace).open() as entered:
        _call("setns", entered.fileno(), _CLONE_NEWNET)
    _call("unshare", _CLONE_NEWNS)
    _call("mount", b"", b"/", b"none", ctypes.c_ulong(_MS_REC_SLAVE), None)
    _call("umount2", b"/sys", _MNT_DETACH)
    _call("mount", namespace.encode(), b"/sys", b"sysfs", ctypes.c_ulong(0), None)


def _call(name: str, *arguments: Any) -> None:
    if getattr(_LIBC, name)(*arguments):
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")


def _stream(number: int, like: Any) -> TextIO:
    """Return a standard stream as a new interpreter opens it (see `create_stdio` in `pylifecycle.c`)."""
    at_once = like.write_through  # PYTHONUNBUFFERED
    is_input = number == 0
    buffer: Any = builtins.open(  # noqa: SIM115
        number, "rb" if is_input else "wb", 0 if at_once and not is_input else -1, closefd=False
    )
    getattr(buffer, "raw", buffer).name = ("<stdin>", "<stdout>", "<stderr>")[number]
    return io.TextIOWrapper(
        buffer,
        encoding=like.encoding,
        errors=like.errors,
        newline="\n",
        line_buffering=not at_once and (number == 2 or buffer.isatty()),
        write_through=at_once,
    )


def _program(argv: Sequence[str]) -> Callable[[], object]:
    """Return a function that runs a program as an interpreter with these arguments would."""
    how, what, *arguments = argv
    if how == "-m":
        sys.argv, sys.path[0] = [what, *arguments], str(Path.cwd())
        return lambda: runpy.run_module(what, run_name="__main__", alter_sys=True)
    if how == "-c":
        sys.argv, sys.path[0] = ["-c", *arguments], ""
        module = ModuleType("__main__")
        sys.modules["__main__"] = module
        return lambda: exec(compile(what, "<string>", "exec"), module.__dict__)
    sys.argv, sys.path[0] = [what, *arguments], str(Path(what).parent)
    return lambda: runpy.run_path(what, run_name="__main__")


def _ended(program: Callable[[], object]) -> int:
    """Run a program, clean up as an interpreter does at exit, and return the exit status."""
    status = 0
    try:
        program()
    except SystemExit as end:
        if isinstance(end.code, int):
            status = end.code
        elif end.code is not None:
            print(end.code, file=sys.stderr)
            status = 1
    except BaseException as error:
        inside = error.__traceback__
        while inside is not None and inside.tb_frame.f_code.co_filename == __file__:
            inside = inside.tb_next
        sys.excepthook(type(error), error.with_traceback(inside), inside)
        status = 1
        if isinstance(error, KeyboardInterrupt):
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    gc.collect()
    try:
        _flush(sys.stdout)
    except OSError:
        status = 120
    with contextlib.suppress(OSError):
        _flush(sys.stderr)
    return status & 0xFF


def _flush(stream: TextIO | None) -> None:
    if stream is not None and not stream.closed:
        stream.flush()


if __name__ == "__main__":
    main()
