"""The `logboat` command parses its arguments, prints its help and returns the right exit status."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from services.cli.main import COMMANDS, main

from . import documents as build
from .appliance import Appliance, logboat

__all__ = ["logboat"]

SCRIPT = str(Path(sys.executable).with_name("logboat"))


def script(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SCRIPT, *arguments], capture_output=True, text=True, timeout=110, check=False, env=env
    )


class TestUsage:
    def test_help_lists_every_command(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--help"]) == 0
        out = capsys.readouterr().out
        for name, command in COMMANDS.items():
            assert (f"  {name} " in out) is not command.is_internal
            assert (command.words in out) is not command.is_internal

    @pytest.mark.parametrize("name", COMMANDS)
    def test_every_command_has_a_help_text(self, name: str, capsys: pytest.CaptureFixture[str]) -> None:
        assert main([name, "--help"]) == 0
        out = capsys.readouterr().out
        assert f"logboat {name}" in out
        assert "--json" in out

    def test_missing_command_is_wrong_usage_and_lists_the_commands(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main([]) == 2
        assert "status" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("arguments", "sentence"),
        [
            (["statsu"], "unknown command 'statsu'; did you mean 'status'?"),
            (["fly"], "unknown command 'fly'"),
            (["status", "now"], "unrecognized arguments: now"),
            (["--nonsense", "status"], "unrecognized arguments: --nonsense"),
            (["log"], "the following arguments are required: SENSOR"),
            (["config"], "the following arguments are required: check"),
            (["db"], "the following arguments are required: ACTION"),
            (["db", "fetch", "x"], "invalid choice: 'fetch'"),
            (["db", "changes", "x", "--since", "yesterday"], "invalid int value: 'yesterday'"),
            (["db", "ls", "x", "--limit", "0"], "--limit must be 1 or more"),
            (["log", "rpm", "--limit", "0"], "--limit must be 1 or more"),
            (["log", "rpm", "--csv", "--add", "1"], "not allowed with argument"),
            (["log", "rpm", "--since", "soon"], "'soon' is not a valid time; write `30m`, `1 hour`"),
            (["log", "rpm", "--since", "1 h", "--until", "2 h"], "--since is later than --until"),
            (["sensors", "--count", "3"], "--count must be 1 or more, and needs --watch"),
            (["note", " "], "the note is empty"),
            (["note", "x", "--by", " "], "--by must not be empty"),
            (["ack", "1", "--by", ""], "--by must not be empty"),
            (["demo", "--for", "long"], "invalid float value: 'long'"),
            (["demo", "--for", "3"], "--for 3: must be from 10 s to one day"),
            (["demo", "--vessels", "0"], "--vessels 0: must be from 1 to 9"),
        ],
    )
    def test_wrong_usage_gives_a_sentence_and_exit_status_2(
        self, logboat: Appliance, arguments: list[str], sentence: str
    ) -> None:
        done = logboat(*arguments)
        assert done.status == 2
        assert sentence in done.err
        assert done.out == ""

    def test_common_options_are_accepted_before_or_after_the_command(self, logboat: Appliance) -> None:
        logboat.put(build.reading(1))
        before = main([*logboat.places, "--json", "verify"])
        first = logboat.capture.readouterr().out
        after = main(["verify", "--json", *logboat.places])
        assert (before, after) == (0, 0)
        assert first == logboat.capture.readouterr().out

    def test_version_is_printed(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["--version"]) == 0
        assert capsys.readouterr().out.startswith("logboat 0.")

    def test_missing_configuration_is_wrong_usage(self, logboat: Appliance) -> None:
        logboat.put(build.reading(1))
        (logboat.root / "logboat.toml").unlink()
        done = logboat("verify")
        assert done.status == 2
        assert "logboat.toml: no such file" in done.err


class TestTroubleWithTheStore:
    @pytest.mark.parametrize("command", [["log", "rpm"], ["alarms"], ["ack", "1"], ["note", "x"], ["verify"]])
    def test_missing_store_is_reported_in_a_sentence_and_not_created(
        self, logboat: Appliance, command: list[str]
    ) -> None:
        done = logboat(*command)
        assert done.status == 1
        assert "no document store; start the recorder first" in done.err
        assert not logboat.store.exists()

    @pytest.mark.parametrize("command", [["log", "rpm"], ["alarms"], ["verify"], ["sensors"]])
    def test_file_that_is_not_a_store_is_reported_in_a_sentence(
        self, logboat: Appliance, command: list[str]
    ) -> None:
        logboat.store.write_bytes(b"This is a text, and no database at all. " * 200)
        done = logboat(*command)
        assert done.status == 1
        assert "log.db" in done.err
        assert len(done.err.splitlines()) == 1

    def test_damaged_store_is_reported_in_a_sentence(self, logboat: Appliance) -> None:
        logboat.put(*(build.reading(*range(50), first=1 + 50 * n, start=50 * n) for n in range(40)))
        content = bytearray(logboat.store.read_bytes())
        content[8_192 : len(content) - 4_096] = bytes(len(content) - 12_288)
        logboat.store.write_bytes(content)
        done = logboat("verify")
        assert done.status == 1
        assert "damaged" in done.err

    def test_reading_command_works_while_another_process_writes(self, logboat: Appliance) -> None:
        logboat.put(build.reading(1))
        holds = (
            "import sys, apsw; c = apsw.Connection(sys.argv[1]); c.execute('BEGIN IMMEDIATE'); "
            "print('held', flush=True); sys.stdin.read()"
        )
        with subprocess.Popen(
            [sys.executable, "-c", holds, str(logboat.store)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as other:
            assert other.stdout is not None
            assert other.stdout.readline() == "held\n"
            assert logboat("verify").status == 0
            assert other.stdin is not None
            other.stdin.close()


class TestConsoleScript:
    def test_console_script_returns_the_exit_status(self, tmp_path: Path) -> None:
        done = script("db", "get", str(tmp_path / "none.db"), "x")
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr == f"logboat: {tmp_path}/none.db: no such store\n"

    def test_closed_pipe_prints_no_error(self, tmp_path: Path) -> None:
        store = build.store(
            tmp_path / "log.db",
            *(build.reading(*range(100), first=1 + 100 * n, start=100 * n) for n in range(60)),
        )
        with subprocess.Popen(
            [SCRIPT, "db", "export", str(store)], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.read(100)
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(30) == 1

    def test_ctrl_c_ends_following_quietly(self, tmp_path: Path) -> None:
        store = build.store(tmp_path / "log.db", build.reading(1))
        with subprocess.Popen(
            # If a shell runs the tests in the background, SIGINT is ignored, and children would inherit that.
            ["env", "--default-signal=INT", SCRIPT, "db", "changes", str(store), "--follow"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            assert b"reading:argo:rpm" in process.stdout.readline()
            build.store(store, build.reading(2, first=2, start=200))
            assert b"000000000002" in process.stdout.readline()
            process.send_signal(signal.SIGINT)
            assert process.stderr.read() == b""
            assert process.wait(30) == 0

    def test_recorder_on_a_terminal_says_how_to_stop_it(self, tmp_path: Path) -> None:
        (tmp_path / "logboat.toml").write_text('[vessel]\nid = "trial"\n')
        (tmp_path / "sensors.toml").write_text("no_sensors = true\n")
        names = {"config": "logboat.toml", "sensors": "sensors.toml", "data": "data", "run": "run"}
        places = [f"--{option}={tmp_path / name}" for option, name in names.items()]
        command = ["env", "--default-signal=INT", SCRIPT, "record", *places]
        outer, inner = pty.openpty()
        with subprocess.Popen(command, stdin=inner, stdout=inner, stderr=inner) as process:
            os.close(inner)
            shown = b""
            while b"press Ctrl-C" not in shown and (chunk := _read(outer)):
                shown += chunk
            process.send_signal(signal.SIGINT)
            while _read(outer):
                pass
            assert process.wait(60) == 0
        os.close(outer)
        assert "to stop recording, press Ctrl-C" in shown.decode()

    def test_curve_is_printed_on_a_terminal_but_not_into_a_pipe(self, tmp_path: Path) -> None:
        (tmp_path / "data").mkdir()
        build.store(tmp_path / "data" / "log.db", build.reading(*range(8)))
        command = [SCRIPT, "log", "rpm", "--vessel", "argo", "--data", str(tmp_path / "data")]
        environment = {**os.environ, "TERM": "vt100", "PYTHONIOENCODING": "utf-8", "COLUMNS": "80"}
        piped = subprocess.run(command, capture_output=True, env=environment, timeout=110, check=True)
        assert "█" not in piped.stdout.decode()
        outer, inner = pty.openpty()
        with subprocess.Popen(command, stdout=inner, stdin=inner, env=environment) as process:
            os.close(inner)
            shown = b""
            while chunk := _read(outer):
                shown += chunk
            assert process.wait(30) == 0
        os.close(outer)
        assert "▁" in shown.decode()
        assert "█" in shown.decode()

    def test_console_without_utf_8_is_supported(self, tmp_path: Path) -> None:
        store = build.store(tmp_path / "log.db", ("note-ü", {"text": "Öl gewechselt"}))
        done = script("db", "ls", str(store), env={**os.environ, "PYTHONIOENCODING": "ascii"})
        assert (done.returncode, done.stdout) == (0, "note-?\n")


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:  # on Linux: the other end of a pseudo-terminal has been closed
        return b""


class TestConfigCheck:
    GOOD = '[[sensor]]\nid = "dip"\nkind = "manual"\nname = "Dip"\npath = "tanks.fuel.main.currentLevel"\n'

    def test_valid_files_give_exit_status_0(self, logboat: Appliance) -> None:
        (logboat.root / "sensors.toml").write_text(self.GOOD)
        done = logboat(
            "config", "check", str(logboat.root / "sensors.toml"), str(logboat.root / "logboat.toml")
        )
        assert done.status == 0
        assert "dip" in done.out
        assert "argo" in done.out

    def test_invalid_files_give_exit_status_2_and_a_line_for_each_mistake(self, logboat: Appliance) -> None:
        wrong = self.GOOD.replace("manual", "manul") + 'flavour = "salt"\n'
        (logboat.root / "sensors.toml").write_text(wrong)
        done = logboat("config", "check", str(logboat.root / "sensors.toml"))
        assert done.status == 2
        assert any("sensors.toml:3" in line and "manul" in line for line in done.lines)

    def test_json_output_has_line_key_and_remedy(self, logboat: Appliance) -> None:
        (logboat.root / "sensors.toml").write_text(self.GOOD.replace("manual", "manul"))
        (found,) = logboat("config", "check", str(logboat.root / "sensors.toml"), "--json").json["files"]
        assert not found["good"]
        assert (found["problems"][0]["line"], found["problems"][0]["key"]) == (3, "kind")

    def test_missing_file_is_wrong_usage(self, logboat: Appliance) -> None:
        assert logboat("config", "check", str(logboat.root / "none.toml")).status == 2
