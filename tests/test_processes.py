"""A process that the fork server starts behaves like a process that `subprocess` starts."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests import processes
from tests.namespaces import Network

TELL: Final = """
import json, os, resource, signal, sys
print(json.dumps({
    "argv": sys.argv, "path": sys.path[0], "main": __name__, "cwd": os.getcwd(), "env": dict(os.environ),
    "files": sorted(os.listdir("/proc/self/fd"))[:-1],
    "parent": os.getppid(), "group": os.getpgrp() == os.getpid(), "session": os.getsid(0) == os.getpid(),
    "umask": os.umask(0), "streams": [
        [stream.encoding, stream.errors, stream.line_buffering, stream.fileno(), repr(stream.buffer)]
        for stream in (sys.stdin, sys.stdout, sys.stderr)
    ],
    "signals": [repr(signal.getsignal(number)) for number in range(1, 32)],
    "blocked": [repr(number) for number in signal.pthread_sigmask(signal.SIG_BLOCK, [])],
    "limits": [resource.getrlimit(number) for number in range(16)],
    "interpreter": [sys.flags, sys.warnoptions, sys.executable, sys.prefix],
    "names": sorted(name for name in globals() if name != "__annotations__"),
}))
"""


def told(start: Any, argv: list[str], **how: Any) -> dict[str, Any]:
    with start(argv, stdout=subprocess.PIPE, **how) as process:
        facts: dict[str, Any] = json.loads(process.stdout.read())
    assert process.returncode == 0
    return facts


def both(argv: list[str], **how: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Run a program with the fork server and with `subprocess`, and return both of its reports."""
    how.setdefault("env", dict(os.environ))  # without COLUMNS, which readline sets and only exec passes on
    return told(processes.Popen, argv, **how), told(subprocess.Popen, argv, **how)


@pytest.mark.parametrize("way", ["-c", "-m"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"stdin": subprocess.DEVNULL, "stderr": subprocess.STDOUT},
        {"start_new_session": True, "umask": 0o077},
        {"env": {"PATH": "/bin", "TZ": "Asia/Tokyo", **processes.at_start(os.environ)}},
    ],
    ids=["plain", "streams", "session", "environment"],
)
def test_forked_program_starts_in_the_same_state_as_an_executed_program(
    tmp_path: Path, way: str, how: dict[str, Any]
) -> None:
    (tmp_path / "tell.py").write_text(TELL)
    argv = [sys.executable, way, TELL if way == "-c" else "tell", "a", "b c", "ü"]
    forked, executed = both(argv, cwd=tmp_path, **how)
    assert forked == executed


def test_program_is_forked_and_is_a_child_of_this_process() -> None:
    with processes.Popen([sys.executable, "-c", "import time; time.sleep(100)"]) as process:
        assert process.is_forked
        assert process.poll() is None
        process.kill()
        assert process.wait() == -signal.SIGKILL


@pytest.mark.parametrize(
    "code",
    [
        "import sys; sys.exit(3)",
        "import sys; sys.exit('why')",
        "raise ValueError('why')",
        "import os; os._exit(7)",
        "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
        "import os, signal; os.kill(os.getpid(), signal.SIGINT)",
        "import atexit; atexit.register(print, 'last'); print('first')",
        "import threading, time; threading.Thread(target=lambda: (time.sleep(0.1), print('done'))).start()",
        "import sys; sys.stdout.write('half')",
        "import sys; print('all'); sys.stdout.close()",
        "import sys; sys.stdout = None",
        "class A:\n def __del__(self): print('gone')\na = A(); a.itself = a; del a",
    ],
)
def test_forked_program_exits_like_an_interpreter(code: str) -> None:
    argv = [sys.executable, "-c", code]
    forked = processes.run(argv, capture_output=True, text=True)
    executed = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (forked.returncode, forked.stdout, forked.stderr) == (
        executed.returncode,
        executed.stdout,
        executed.stderr,
    )


def test_logboat_command_runs_as_when_executed() -> None:
    for words in ([], ["--version"], ["nonsense"]):
        argv = [processes.LOGBOAT, *words]
        forked = processes.run(argv, capture_output=True, text=True)
        executed = subprocess.run(argv, capture_output=True, text=True, check=False)
        assert (forked.returncode, forked.stdout, forked.stderr) == (
            executed.returncode,
            executed.stdout,
            executed.stderr,
        )


def test_passed_files_keep_their_descriptor_numbers() -> None:
    ours, theirs = os.pipe()
    with os.fdopen(ours) as pipe:
        code = f"import os; os.write({theirs}, b'here')"
        with processes.Popen([sys.executable, "-c", code], pass_fds=[theirs]) as process:
            os.close(theirs)
            assert pipe.read() == "here"
        assert process.is_forked


def test_two_forked_programs_draw_different_random_numbers() -> None:
    code = "import os, random, secrets; print(random.random(), os.urandom(8), secrets.token_hex(8))"
    drawn = [
        processes.run([sys.executable, "-c", code], capture_output=True, text=True).stdout for _ in range(2)
    ]
    assert drawn[0] != drawn[1]
    assert not set(drawn[0].split()) & set(drawn[1].split())


@pytest.mark.parametrize(
    "how",
    [
        {"args": ["true"]},
        {"args": [sys.executable, "-X", "dev", "-c", ""]},
        {"env": {**os.environ, "PYTHONHASHSEED": "7"}},
        {"env": {**os.environ, "LD_PRELOAD": ""}},
        {"preexec_fn": lambda: None},
        {"close_fds": False},
    ],
)
def test_program_that_needs_a_new_interpreter_is_not_forked(how: dict[str, Any]) -> None:
    with processes.Popen(**{"args": [sys.executable, "-c", ""], **how}) as process:
        assert process.wait() == 0
        assert not process.is_forked


def test_forked_program_runs_inside_its_network_namespace() -> None:
    code = "import os; print(os.listdir('/sys/class/net'), os.readlink('/proc/self/ns/net'), os.getppid())"
    with Network.for_test() as network:
        argo = network.host("argo")
        argv = processes.within(argo.namespace, [sys.executable, "-c", code])
        forked = processes.run(argv, capture_output=True, text=True)
        executed = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert forked.stdout == executed.stdout != ""
    assert forked.stderr == executed.stderr == ""
