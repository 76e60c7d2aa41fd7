"""The command `logboat top` works on a terminal, into a pipe, and on a serial console."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.state import state_file
from sync.documents import POLICY
from sync.store import Database
from tests.services import documents as build
from tests.services.appliance import Appliance, logboat

from .aboard import SYNCED, busy

__all__ = ["logboat"]

SCRIPT = str(Path(sys.executable).with_name("logboat"))
PATIENCE_S = 40.0
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f\x9b]")


def places(logboat: Appliance) -> list[str]:
    return [*logboat.places, "--identity", str(logboat.root / "identity")]


def alive(logboat: Appliance, **changes: object) -> None:
    """Write a live state with this process as the recorder, at the current time of the real clocks."""
    clock, utc = time.clock_gettime(time.CLOCK_BOOTTIME), time.time()
    now = {"clock": clock, "utc": utc}
    state = build.live_state(**({"pid": os.getpid(), "updated": now, "lastDurable": now} | changes))
    state_file.write(state_file.path(logboat.run_folder), state)


class Terminal:
    """Pseudo-terminal on which the command runs."""

    def __init__(self, command: list[str], *, size: tuple[int, int] = (80, 24), **environment: str) -> None:
        env = {**os.environ, "TERM": "xterm", "PYTHONIOENCODING": "utf-8", **environment}
        env.pop("COLUMNS", None), env.pop("LINES", None)
        self.outer, inner = pty.openpty()
        termios.tcsetwinsize(inner, (size[1], size[0]))
        self.before = termios.tcgetattr(inner)
        self.process = subprocess.Popen(
            # Tests that a shell runs in the background ignore Ctrl-C, which the tested program must receive.
            ["env", "--default-signal=INT", "setsid", "--ctty", *command],
            stdin=inner,
            stdout=inner,
            stderr=inner,
            env=env,
        )
        self.inner = inner
        self.text = ""

    def until(self, words: str) -> str:
        """Read until this text has arrived, and return everything that was read."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.text:
            left = deadline - time.monotonic()
            assert left > 0, f"{words!r} did not come: {self.text!r}"
            if select.select([self.outer], [], [], left)[0]:
                self.text += os.read(self.outer, 65_536).decode(errors="replace")
        return self.text

    def press(self, keys: str) -> None:
        self.text = ""
        os.write(self.outer, keys.encode())

    def ended(self) -> int:
        """Read until the process has ended, and return its exit status."""
        deadline = time.monotonic() + PATIENCE_S
        while (status := self.process.poll()) is None or select.select([self.outer], [], [], 0)[0]:
            assert time.monotonic() < deadline
            if select.select([self.outer], [], [], 0.05)[0]:
                self.text += os.read(self.outer, 65_536).decode(errors="replace")
        return status


@contextmanager
def terminal(command: list[str], **more: str) -> Iterator[Terminal]:
    made = Terminal(command, **more)  # type: ignore[arg-type]
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()
        for end in (made.outer, made.inner):
            try:
                os.close(end)
            except OSError:  # a test has already closed it
                continue


class TestOneLook:
    def test_state_is_printed_once_in_sentences_into_a_pipe(self, logboat: Appliance) -> None:
        busy(logboat)
        done = logboat("top", *places(logboat)[-2:])
        assert done.status == 0
        assert (
            done.lines[0] == "argo (SY Argo), log abcdef, boot 1. The date is 2025-10-10; times are in UTC."
        )
        assert done.lines[1].startswith("12:40:00 Alarm 17 is ACTIVE, alarm: Overspeed")
        assert all(line.endswith(".") for line in done.lines)
        assert not CONTROL.search(done.out)
        once = logboat("top", "--plain", "--once", *places(logboat)[-2:])
        assert once.out == done.out

    def test_json_output_contains_that_of_each_command(self, logboat: Appliance) -> None:
        busy(logboat)
        found = logboat("top", "--json", *places(logboat)[-2:]).json
        assert found["sensors"] == logboat("sensors", "--json").json
        assert found["alarms"] == logboat("alarms", "--json").json
        assert found["peers"] == logboat("peers", "--json").json
        assert found["lights"]["lights"]["fault"]["means"] == "an alarm is active"
        status = logboat("status", "--json").json
        assert found["status"] == status

    def test_stopped_daemons_and_a_missing_store_are_shown(self, logboat: Appliance) -> None:
        done = logboat("top", *places(logboat)[-2:])
        assert done.status == 0
        assert "Recording: NO: the recorder is not running" in done.out
        assert "no document store" in done.out
        assert "Light record: fast blink, NOTHING IS RECORDED." in done.out
        assert not logboat.store.exists()

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["--every", "0"], "--every must be from 0.2 to 3600 seconds"),
            (["--every", "nan"], "--every must be from 0.2 to 3600 seconds"),
            (["--by", " "], "--by must not be empty"),
            (["now"], "unrecognized arguments: now"),
        ],
    )
    def test_wrong_usage_is_reported_in_a_sentence(
        self, logboat: Appliance, arguments: list[str], sentence: str
    ) -> None:
        done = logboat("top", *arguments)
        assert (done.status, done.out) == (2, "")
        assert sentence in done.err

    def test_missing_configuration_is_wrong_usage(self, logboat: Appliance) -> None:
        (logboat.root / "logboat.toml").unlink()
        done = logboat("top")
        assert (done.status, done.out) == (2, "")
        assert "logboat.toml: no such file" in done.err

    def test_missing_permission_is_reported(
        self, logboat: Appliance, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """An account outside the group `logboat` has no permission to read the state."""

        def forbidden(run: Path, **_: object) -> None:
            raise PermissionError(13, "Permission denied", str(run / "recorder.json"))

        logboat.put(SYNCED)
        monkeypatch.setattr("services.state.recorder_state.read", forbidden)
        done = logboat("top")
        assert (done.status, done.out) == (1, "")
        assert done.err == f"logboat: {logboat.run_folder}/recorder.json: Permission denied\n"


class TestLineByLine:
    def test_each_change_is_a_line_and_ctrl_c_ends_the_command(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        logboat.live()
        values = iter([30.0, 40.0, 40.0])

        def later(_: float) -> None:
            logboat.clock.boottime += 10
            logboat.clock.utc += 10
            try:
                value = next(values)
            except StopIteration:
                raise KeyboardInterrupt from None
            now = {"clock": logboat.clock.boottime, "utc": logboat.clock.utc}
            sensor = build.live_sensor(value, clock=logboat.clock.boottime - 0.7)
            logboat.live(updated=now, lastDurable=now, sensors={"rpm": sensor})
            logboat.mesh(updated=now)

        logboat.sleep = later
        done = logboat("top", "--plain", *places(logboat)[-2:])
        assert done.status == 0
        after = [line for line in done.lines if "12:40:00" not in line][1:]
        assert after == ["12:40:20 Sensor rpm (Main engine): 2400 rpm, good, 700 ms ago."]

    def test_interval_is_configurable(self, logboat: Appliance) -> None:
        slept: list[float] = []

        def once(seconds: float) -> None:
            slept.append(seconds)
            raise KeyboardInterrupt

        logboat.live()
        logboat.sleep = once
        logboat("top", "--plain")
        logboat("top", "--plain", "--every", "2.5")
        assert slept == [10.0, 2.5]

    def test_continuous_output_into_a_pipe_includes_a_new_alarm(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        alive(logboat)
        with subprocess.Popen(
            ["env", "--default-signal=INT", SCRIPT, "top", "--plain", "--every", "0.2", *places(logboat)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert b"argo" in process.stdout.readline()
            logboat.put(build.alarm(text="Water in the main bilge"))
            while b"Water in the main bilge" not in process.stdout.readline():
                alive(logboat)
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == b""
            assert process.wait(PATIENCE_S) == 0

    def test_serial_console_gets_no_control_sequence(self, logboat: Appliance) -> None:
        busy(logboat)
        alive(logboat)
        with terminal([SCRIPT, "top", "--plain", "--every", "1", *places(logboat)], LC_ALL="C") as serial:
            text = serial.until("Recording: ").replace("\r\n", "\n")
            assert not CONTROL.search(text)
            assert "\x1b" not in text
            serial.press("\x03")
            assert serial.ended() == 0

    def test_dumb_terminal_gets_output_line_by_line(self, logboat: Appliance) -> None:
        logboat.put(SYNCED)
        alive(logboat)
        with terminal([SCRIPT, "top", *places(logboat)], TERM="dumb") as serial:
            assert "\x1b" not in serial.until("Recording: ")
            serial.press("\x03")
            assert serial.ended() == 0


class TestOnATerminal:
    def test_screen_shows_and_acknowledges_an_alarm_and_restores_the_terminal(
        self, logboat: Appliance
    ) -> None:
        logboat.put(SYNCED, build.alarm())
        alive(logboat)
        with terminal([SCRIPT, "top", "--by", "bo", *places(logboat)]) as screen:
            assert "\x1b[?1049h" in screen.until("Overspeed")
            screen.press("a")
            screen.until("as bo?")
            screen.press("y")
            screen.until("acknowledged by bo")
            screen.press("q")
            assert screen.ended() == 0
            assert "\x1b[?1049l" in screen.text
            assert termios.tcgetattr(screen.inner) == screen.before
        with Database.open(logboat.store, policy=POLICY) as database:
            document = database.get("alarm:argo:rpm:abcdef:000000000017")
            assert document is not None
            assert [ack["who"] for ack in document.body["acks"]] == ["bo"]

    def test_acknowledgement_is_completed_even_if_the_user_quits_at_once(self, logboat: Appliance) -> None:
        """Another process is writing to the store at that moment, so the command has to wait."""
        logboat.put(SYNCED, build.alarm())
        alive(logboat)
        with (
            terminal([SCRIPT, "top", "--by", "bo", *places(logboat)]) as screen,
            Database.open(logboat.store, policy=POLICY) as database,
        ):
            screen.until("Overspeed")
            with database.transaction():
                database.put("note:argo:1", {"type": "note"})
                screen.press("a")
                screen.until("as bo?")
                screen.press("y")
                screen.until("acknowledging alarm:argo")
                screen.press("q")
                screen.until("\x1b[?1049l")
                assert screen.process.poll() is None
            assert screen.ended() == 0
            assert "Traceback" not in screen.text
            document = database.get("alarm:argo:rpm:abcdef:000000000017")
            assert document is not None
            assert [ack["who"] for ack in document.body["acks"]] == ["bo"]

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
    def test_terminal_is_restored_after_a_signal(self, logboat: Appliance, number: signal.Signals) -> None:
        alive(logboat)
        with terminal([SCRIPT, "top", *places(logboat)]) as screen:
            screen.until(" Quit")
            screen.process.send_signal(number)
            assert screen.ended() == 0
            assert "\x1b[?1049l" in screen.text
            assert "Traceback" not in screen.text

    def test_command_ends_when_its_terminal_is_closed(self, logboat: Appliance) -> None:
        """After an SSH connection breaks, the command must not keep running and use the processor."""
        alive(logboat)
        with terminal([SCRIPT, "top", *places(logboat)]) as screen:
            screen.until(" Quit")
            os.close(screen.inner)
            os.close(screen.outer)
            screen.process.wait(PATIENCE_S)

    def test_internal_error_is_reported_in_a_sentence(self, logboat: Appliance) -> None:
        alive(logboat)
        code = (
            "import sys, services.screens.top.page as page\n"
            "def broken(look, width): raise ZeroDivisionError('division by zero')\n"
            "page.header = broken\n"
            "from services.cli.main import main\n"
            "sys.exit(main(sys.argv[1:]))"
        )
        with terminal([sys.executable, "-c", code, "top", *places(logboat)]) as screen:
            assert screen.ended() == 1
            said = screen.text.rpartition("\x1b[?1049l")[2]
            assert "logboat: the screen cannot be shown (ZeroDivisionError: division by zero" in said
            assert "try: logboat top --plain" in said
            assert "Traceback" not in screen.text


class TestOthersAreNotSlowed:
    @pytest.mark.parametrize(
        "command", [["status"], ["sensors"], ["alarms"], ["peers"], ["top", "--plain", "--once"]]
    )
    def test_no_other_command_imports_the_screen(self, logboat: Appliance, command: list[str]) -> None:
        logboat.put(SYNCED)
        code = (
            "import json, sys\n"
            "from services.cli.main import main\n"
            "main(sys.argv[1:])\n"
            "print(json.dumps(sorted({'textual', 'rich', 'markdown_it', 'pygments'} & set(sys.modules))))"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *command, *logboat.places],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        assert json.loads(done.stdout.splitlines()[-1]) == []
