"""Text from others cannot control a terminal, forge a line in a log, or run as a formula in a spreadsheet."""

import base64
import csv
import io
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.plaintext import CleanStream, clean, clean_lines, cleaned_output, csv_text, json_text, steer
from services.logs.lines import LogLine, parse
from services.logs.setup import in_foreground
from services.system.systemd import Notifier
from sync.store import Database
from tests import processes

from . import documents as build
from .commands import logboat

LOGBOAT = str(Path(sys.executable).with_name("logboat"))
EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\x7f\u2028\u2029\u202e\u200b\r\nlogboat: all is well\n"
"""Text that sets a window's title, clears the screen (also with C1 codes), reverses text and adds lines."""
HARMLESS_ENDS = "\n\t"


def steering(text: str) -> set[str]:
    """Return the characters of the output that are not printable and not line endings."""
    return {c for c in text if not c.isprintable() and c not in HARMLESS_ENDS}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return a vessel's data folder in which every string from other vessels is hostile."""
    folder = tmp_path / "data"
    path = build.store(
        folder / "log.db",
        build.vessel(),
        build.boot(1, build.network(0.0, build.UTC)),
        build.reading(1.0, -2.5, True, path=f"p{EVIL}", unit=f'=HYPERLINK("http://x"){EVIL}'),
        build.reading(3.0, first=10, unit="@SUM(A1)"),
    )
    with Database.open(path) as database:
        database.put(f"odd:{EVIL}", {"type": "odd", EVIL: [EVIL, "\U000e0001"]})
        database.put(
            "note:argo:01ARZ3NDEKTSV4RRFFQ69G5FAV",
            {"type": "note", "vessel": "argo", "text": EVIL, "who": EVIL, "when": "2025-10-09T08:53:20Z"},
        )
    return folder


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    "words",
    [
        ("status",),
        ("sensors",),
        ("peers",),
        ("log", "rpm"),
        ("log", "rpm", "--csv", "--wide"),
        ("log", EVIL),
        ("alarms", "--all"),
        ("ack", EVIL),
        ("note",),
        ("verify",),
        ("gateway", "retry", EVIL),
        ("config", "check", EVIL),
        ("store", "check"),
        (EVIL,),
        ("--config", EVIL, "status"),
        ("fleet", "list", EVIL),
        ("fleet", "add", "/nowhere", EVIL),
        ("doctor",),
    ],
    ids=lambda words: "-".join(map(clean, words))[:30],
)
def test_no_command_prints_control_characters(
    data: Path, tmp_path: Path, words: tuple[str, ...], as_json: bool
) -> None:
    more = ("--data", str(data), "--run", str(tmp_path)) if words[0] in READS else ()
    done = logboat(*words, *more, *(("--json",) if as_json and "--csv" not in words else ()))
    assert steering(done.stdout) == steering(done.stderr) == set()


READS = {"status", "sensors", "peers", "log", "alarms", "ack", "note", "verify", "store"}


@pytest.mark.parametrize("more", [(), ("--json",)])
@pytest.mark.parametrize("words", [("ls",), ("ls", "-l"), ("changes",), ("check",), ("export",), ("info",)])
def test_content_of_the_store_is_cleaned(data: Path, words: tuple[str, ...], more: tuple[str, ...]) -> None:
    done = logboat("db", words[0], str(data / "log.db"), *words[1:], *(more if words[0] != "export" else ()))
    assert done.returncode == 0, done.stderr
    assert steering(done.stdout) == set()
    assert "odd:" in done.stdout or words[0] in ("check", "info")


@pytest.mark.parametrize("more", [(), ("--meta",)])
def test_document_is_printed_as_json_with_escapes_and_unchanged_values(
    data: Path, more: tuple[str, ...]
) -> None:
    done = logboat("db", "get", str(data / "log.db"), f"odd:{EVIL}", *more)
    assert steering(done.stdout) == set()
    assert done.stdout.count("\n") == 1
    body = json.loads(done.stdout)
    assert body[EVIL] == [EVIL, "\U000e0001"]
    assert not more or body["_id"] == f"odd:{EVIL}"


def test_lone_surrogate_crashes_no_command(data: Path, tmp_path: Path) -> None:
    """Python represents file names whose bytes are not valid text with lone surrogates."""
    place = tmp_path / "a\udc9b.tar.gz"
    done = logboat("bundle", str(place), "--data", str(data), "--run", str(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["file"].endswith("a?.tar.gz")
    again = logboat("bundle", str(place), "--data", str(data), "--run", str(tmp_path))
    assert again.stdout.startswith(f"{tmp_path}/a·.tar.gz: ")


def test_readings_in_csv_are_not_formulas_and_numbers_remain_numbers(data: Path) -> None:
    done = logboat("log", "rpm", "--csv", "--wide", "--data", str(data), "--run", str(data))
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["value"] for row in rows] == ["1", "-2.5", "1", "3"]
    units = [row["unit"] for row in rows]
    assert units[0].startswith("'=HYPERLINK")
    assert units[3] == "'@SUM(A1)"
    assert steering(done.stdout) == set()


def request(*lines: str) -> bytes:
    return "\r\n".join((*lines, "", "")).encode("utf-8", "surrogateescape")


def head(headers: dict[str, str]) -> list[str]:
    return [f"{name}: {value}" for name, value in headers.items()]


def test_stranger_cannot_forge_a_line_of_a_servers_log(tmp_path: Path) -> None:
    """The server logs text from clients that have not logged in."""
    secret = tmp_path / "password"
    secret.write_text("ahoy\n")
    words = ("serve", tmp_path / "a.db", "--port", 0, "--no-tls", "--json", "--user", "skipper")
    process = processes.Popen(
        [LOGBOAT, "db", *map(str, words), "--password-file", str(secret)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        evil = EVIL.replace("\r\n", "").replace("\n", "")
        user = base64.b64encode(f"{EVIL}:x".encode()).decode()
        usual = {
            "Host": "x",
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==",
        }
        tried = [
            {name: evil} for name in (*usual, "Sec-WebSocket-Extensions", "Content-Length", "Cookie", evil)
        ]
        tried += [{"Sec-WebSocket-Protocol": evil}, {"Sec-WebSocket-Protocol": f"BLIP_3+{evil}"}]
        tried += [{"Authorization": f"Basic {user}"}, {"Authorization": f"{evil} {evil}"}]
        for asked in (
            request(f"GET /{evil}/_blipsync HTTP/1.1", *head(usual)),
            *(request("GET /log/_blipsync HTTP/1.1", *head(usual | more)) for more in tried),
            request(f"{evil} / HTTP/1.1", *head(usual)),
            request(f"GET / {evil}", *head(usual)),
            EVIL.encode() + b"\r\n\r\n",
        ):
            with socket.create_connection(("127.0.0.1", port), timeout=10) as line:
                line.sendall(asked)
                while line.recv(4096):
                    pass
    finally:
        process.terminate()
        out, err = process.communicate(timeout=30)
    said = err.decode()
    assert "rejected" in said
    assert steering(said) == steering(out.decode()) == set()
    assert not [line for line in said.splitlines() if line.startswith("logboat: all")]
    assert all(line.startswith(("INFO ", "WARNING ", "ERROR ")) for line in said.splitlines())


@contextmanager
def answering(answer: bytes) -> Iterator[int]:
    """Yield the port of a listener that sends the same answer to every client."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    line, _ = server.accept()
                except OSError:
                    return
                with line:
                    line.recv(65536)
                    line.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_answer_of_a_hostile_listener_is_cleaned(tmp_path: Path, more: tuple[str, ...]) -> None:
    evil = EVIL.encode()
    with answering(
        b"HTTP/1.1 500 " + evil.replace(b"\r\n", b"") + b"\r\nContent-Length: 99\r\n\r\n" + evil
    ) as port:
        url = f"ws://127.0.0.1:{port}/log"
        words = [LOGBOAT, "db", "pull", str(tmp_path / "a.db"), url, "--attempts", "1", *more]
        done = processes.run(words, capture_output=True, timeout=60, check=False)
    assert done.returncode == 1
    assert steering(done.stdout.decode()) == steering(done.stderr.decode()) == set()
    assert len(done.stderr.decode().splitlines()) == 1


@pytest.mark.parametrize("log", [logging.getLogger("sync.any"), logging.getLogger()])
def test_warning_of_any_module_is_one_clean_line(
    log: logging.Logger, monkeypatch: pytest.MonkeyPatch
) -> None:
    err = io.StringIO()
    monkeypatch.setattr(sys, "stderr", err)
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    with in_foreground():
        try:
            raise ValueError(EVIL)
        except ValueError:
            log.warning("host %s", EVIL, exc_info=True)
    assert err.getvalue().startswith("WARNING host ")
    assert err.getvalue().count("\n") == 1
    assert steering(err.getvalue()) == set()


@given(st.text())
def test_daemons_line_is_cleaned_and_keeps_its_meaning(text: str) -> None:
    said = str(LogLine("error", "sync", "mesh", text))
    assert said.isprintable()
    kept = parse(f"time=2025-10-09T08:53:20Z clock=1.0 {said}")
    assert kept is not None
    assert kept.line.text == text[:2000]


def test_status_for_systemd_is_one_line(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        Notifier(str(tmp_path / "notify")).status("linked\nWATCHDOG=trigger\x1b[2J")
        assert listener.recv(4096) == "STATUS=linked·WATCHDOG=trigger·[2J".encode()


@given(st.text(), st.sampled_from([clean, csv_text]))
def test_cleaned_text_has_no_control_characters(text: str, rule: Callable[[str], str]) -> None:
    assert rule(text).isprintable()
    assert clean_lines(text).count("\n") == text.count("\n")
    assert steering(clean_lines(text)) == set()


@given(st.text())
def test_no_csv_field_begins_like_a_formula(text: str) -> None:
    assert not csv_text(text).startswith(("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠"))  # noqa: RUF001


VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.sampled_from([None, 1]))
def test_cleaned_json_has_the_same_value(value: Any, indent: int | None) -> None:
    shown = json_text(json.dumps(value, ensure_ascii=False, indent=indent))
    assert steering(shown) == set()
    assert json.loads(shown) == value


def test_only_intended_control_sequences_are_printed(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    with cleaned_output():
        print("\x1b[1mtitle\x1b[0m", EVIL)
        steer(sys.stdout, "\x1b[H")
        sys.stdout.writelines(["\x1b[2J", "\x1b[31"])
    print(EVIL)
    shown, _, raw = out.getvalue().partition("\x1b[H")
    assert shown.startswith("\x1b[1mtitle\x1b[0m ·]0;owned··[2J")
    assert raw.startswith("·[2J·[31" + EVIL), "afterwards it is as it was"


def test_cleaned_stream_reports_whether_it_is_a_terminal() -> None:
    with io.StringIO() as stream:
        assert CleanStream(stream).isatty() is False  # type: ignore[operator]
