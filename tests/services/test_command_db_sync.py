"""The commands `logboat db push`, `pull`, `sync` and `serve` replicate as real processes over loopback."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.store import Database
from tests import processes
from tests.net.certificates import CA

from .commands import logboat

LOGBOAT = str(Path(sys.executable).with_name("logboat"))
LONG_S = 60.0
"""Generous time limit in seconds."""


@dataclass(frozen=True)
class Done:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


REPLICATES = frozenset({"push", "pull", "sync", "serve"})


def run(*arguments: object) -> Done:
    """Run a replicating command as a process, or any other command in the test's process."""
    words = ["db", *map(str, arguments)]
    if words[1] in REPLICATES:
        ended = processes.run([LOGBOAT, *words], capture_output=True, text=True, timeout=LONG_S, check=False)
    else:
        ended = logboat(*words)
    assert "Traceback" not in ended.stderr
    return Done(ended.returncode, ended.stdout, ended.stderr)


class Running:
    """A running command with `--json`."""

    def __init__(self, arguments: tuple[object, ...]) -> None:
        self.process = processes.Popen(
            [LOGBOAT, "db", *map(str, arguments), "--json"], stdout=subprocess.PIPE, text=True
        )

    def until(self, wanted: Callable[[Any], bool]) -> Any:
        """Return the first output line that meets the condition."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if wanted(facts := json.loads(line)):
                return facts
        pytest.fail("it ended before it said so")

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=LONG_S)
        return self.process.returncode


class Served:
    def __init__(self, running: Running) -> None:
        self.running = running
        facts = running.until(lambda facts: facts["event"] == "listening")
        self.url, self.pin = facts["urls"][-1], facts["fingerprint"]


Start = Callable[..., Running]
Serve = Callable[..., Served]


@pytest.fixture
def start() -> Iterator[Start]:
    begun: list[Running] = []

    def begin(*arguments: object) -> Running:
        begun.append(Running(arguments))
        return begun[-1]

    yield begin
    for running in begun:
        if running.process.poll() is None:
            running.process.kill()
        running.process.communicate()


@pytest.fixture
def serve(start: Start, tmp_path: Path) -> Serve:
    return lambda *more: Served(start("serve", tmp_path / "there.db", "--port", 0, *more))


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here.db"


@pytest.fixture
def there(tmp_path: Path) -> Path:
    return tmp_path / "there.db"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "password"
    path.write_text("ahoy\n")
    return path


def put(path: Path, document_id: str, body: str = "{}", *more: str) -> str:
    done = run("put", path, document_id, body, *more)
    assert done.status == 0, done.err
    return done.out.strip()


def ids(path: Path) -> list[str]:
    return run("ls", path).out.split()


class TestOneShot:
    def test_documents_and_deletions_are_pushed_and_pulled(
        self, serve: Serve, here: Path, there: Path, tmp_path: Path
    ) -> None:
        revision = put(here, "a", '{"n": 1}')
        put(here, "b")
        served = serve()
        pushed = run("push", here, served.url, "--pin", served.pin)
        assert (pushed.status, pushed.err) == (0, "")
        assert pushed.out.startswith("pushed 2 documents (9 B); ")
        assert ids(there) == ["a", "b"]
        run("rm", here, "a", "--rev", revision)
        assert run("push", here, served.url, "--pin", served.pin).status == 0
        pulled = run("pull", tmp_path / "new.db", served.url, "--accept-self-signed", "--json")
        assert (pulled.status, pulled.err) == (0, "")
        assert pulled.json["failed"] == []
        assert pulled.json["received"] > 0
        assert ids(there) == ids(tmp_path / "new.db") == ["b"]

    def test_sync_resolves_a_conflict_identically_on_both_sides(
        self, serve: Serve, here: Path, there: Path
    ) -> None:
        put(here, "a", '{"from": "here"}')
        put(there, "a", '{"from": "there"}')
        served = serve("--no-tls")
        assert run("sync", here, served.url).status == 0
        assert run("get", here, "a", "--meta").json == run("get", there, "a", "--meta").json

    def test_channels_and_ids_select_in_both_directions(
        self, serve: Serve, here: Path, there: Path, tmp_path: Path
    ) -> None:
        put(here, "a", '{"channels": ["alarms"]}')
        put(here, "b", '{"channels": ["notes"]}')
        put(there, "c", '{"channels": ["alarms"]}')
        put(there, "d")
        served = serve("--no-tls")
        assert run("sync", here, served.url, "--channels", "alarms").status == 0
        assert (ids(here), ids(there)) == (["a", "b", "c"], ["a", "c", "d"])
        assert run("pull", tmp_path / "new.db", served.url, "--docs", "c,d").status == 0
        assert ids(tmp_path / "new.db") == ["c", "d"]

    def test_deletion_reaches_a_puller_of_some_channels(self, serve: Serve, here: Path, there: Path) -> None:
        put(there, "n1", '{"channels": ["notes"]}')
        put(there, "cook", '{"channels": ["galley"]}')
        served = serve("--no-tls")
        assert run("pull", here, served.url, "--channels", "notes").status == 0
        assert ids(here) == ["n1"]
        for name in ("n1", "cook"):
            assert run("rm", there, name).status == 0
        assert run("pull", here, served.url, "--channels", "notes").status == 0
        assert run("get", here, "n1", "--meta").json["_deleted"]
        assert "no such document" in run("get", here, "cook", "--meta").err

    def test_read_only_listener_allows_pull_and_refuses_push(
        self, serve: Serve, here: Path, there: Path
    ) -> None:
        put(here, "mine")
        put(there, "theirs")
        served = serve("--no-tls", "--read-only")
        done = run("push", here, served.url)
        assert done.status == 1
        assert "read-only" in done.err
        assert run("pull", here, served.url).status == 0
        assert (ids(here), ids(there)) == (["mine", "theirs"], ["theirs"])

    def test_refused_connection_gives_one_line_and_exit_status_1(self, serve: Serve, here: Path) -> None:
        served = serve("--no-tls")
        assert served.running.end() == 0
        put(here, "a")
        done = run("push", here, served.url, "--attempts", 1)
        assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
        assert served.url in done.err
        assert "check that a listener is running at this address" in done.err

    def test_unknown_database_is_reported(self, serve: Serve, here: Path) -> None:
        done = run("pull", here, serve("--no-tls", "--name", "other").url.replace("other", "log"))
        assert done.status == 1
        assert "404" in done.err

    def test_push_does_not_create_a_store(self, here: Path) -> None:
        done = run("push", here, "ws://127.0.0.1:1/log")
        assert (done.status, done.err) == (1, f"logboat: {here}: no such store\n")
        assert not here.exists()


class TestTrust:
    def test_wrong_pin_is_refused(self, serve: Serve, here: Path) -> None:
        done = run("pull", here, serve().url, "--pin", "ab" * 32)
        assert done.status == 1
        assert "not the pinned AB:AB" in done.err

    def test_pin_remains_valid_after_a_restart(self, serve: Serve, there: Path) -> None:
        first = serve()
        assert first.running.end(signal.SIGINT) == 0
        assert serve().pin == first.pin
        assert there.with_name("there.db.identity.pem").stat().st_mode & 0o777 == 0o600

    def test_self_signed_certificate_is_accepted_only_on_request(self, serve: Serve, here: Path) -> None:
        done = run("pull", here, serve().url)
        assert done.status == 1
        assert "--pin" in done.err

    def test_password_is_accepted(self, serve: Serve, here: Path, secret: Path, tmp_path: Path) -> None:
        served = serve("--user", "bridge", "--password-file", secret)
        options = [served.url, "--pin", served.pin, "--user", "bridge", "--password-file"]
        assert run("pull", here, *options, secret).status == 0
        wrong = tmp_path / "wrong"
        wrong.write_text("no")
        for done, advice in (
            (run("pull", here, *options, wrong), "check --user"),
            (run("pull", here, served.url, "--pin", served.pin), "specify --user and --password-file"),
        ):
            assert done.status == 1
            assert "401" in done.err
            assert advice in done.err

    def test_certificates_of_a_ca_authenticate_both_sides(
        self, serve: Serve, here: Path, tmp_path: Path
    ) -> None:
        issuer = tmp_path / "ca.pem"
        ca = CA.new()
        issuer.write_bytes(ca_pem(ca))
        files = []
        for name in ("server", "client"):
            files.append((tmp_path / f"{name}.pem", tmp_path / f"{name}.key"))
            ca.issue(name, hosts=["localhost"]).save(*files[-1])
        (cert, key), (ours, our_key) = files
        served = serve("--host", "localhost", "--cert", cert, "--key", key, "--client-ca", issuer)
        assert run("pull", here, served.url, "--ca", issuer, "--cert", ours, "--key", our_key).status == 0
        assert run("pull", here, served.url, "--ca", issuer, "--attempts", 1).status == 1


def ca_pem(ca: CA) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return ca.certificate.public_bytes(Encoding.PEM)


class TestContinuous:
    def test_continuous_sync_runs_in_both_directions_until_a_signal(
        self, serve: Serve, start: Start, here: Path, there: Path
    ) -> None:
        served = serve("--no-tls")
        running = start("sync", here, served.url, "--continuous")
        running.until(lambda facts: facts["activity"] == "idle")
        put(here, "mine")
        running.until(lambda facts: facts["activity"] == "idle" and facts["pushed"]["documents"] == 1)
        put(there, "theirs")
        running.until(lambda facts: facts["activity"] == "idle" and facts["pulled"]["documents"] == 1)
        assert running.end() == 0
        assert ids(here) == ids(there) == ["mine", "theirs"]
        # the checkpoint was stored, so nothing is examined twice
        again = run("sync", here, served.url, "--json").json
        assert (again["pushed"]["documents"], again["pulled"]["documents"]) == (0, 0)

    def test_offline_state_is_reported_with_its_reason(self, serve: Serve, start: Start, here: Path) -> None:
        served = serve("--no-tls")
        running = start("pull", here, served.url, "--continuous")
        running.until(lambda facts: facts["activity"] == "idle")
        assert served.running.end() == 0
        offline = running.until(lambda facts: facts["activity"] == "offline")
        assert offline["error"]["reason"]
        assert running.end(signal.SIGINT) == 0


URL, PLAIN = "wss://127.0.0.1:1/log", "ws://127.0.0.1:1/log"


class TestUsage:
    @pytest.mark.parametrize(
        ("words", "sentence"),
        [
            ("sync PATH http://boat/log", "begins with ws://"),
            ("sync PATH boat:4984/log", "wss://host:port/database"),
            ("sync PATH wss://boat:4984", "contains no database"),
            ("sync PATH wss://u:p@boat/log", "user name or password"),
            (f"sync PATH {URL} --pin 12", "--pin"),
            (f"sync PATH {URL} --pin {'ab' * 32} --accept-self-signed", "only one of"),
            (f"sync PATH {PLAIN} --accept-self-signed", "these options need TLS"),
            (f"sync PATH {URL} --cert x", "--cert needs --key"),
            (f"sync PATH {URL} --cert none --key none", "does not exist"),
            (f"sync PATH {URL} --ca none", "does not exist"),
            (f"sync PATH {URL} --user u", "--user needs --password-file"),
            (f"sync PATH {URL} --password-file PASSWORD", "--password-file needs --user"),
            (f"sync PATH {URL} --user u --password-file none", "does not exist"),
            (f"sync PATH {URL} --user u --password-file EMPTY", "is empty"),
            ("sync PATH ws://192.0.2.1/log --user u --password-file PASSWORD", "connections without TLS"),
            (f"sync PATH {URL} --attempts 0", "--attempts"),
            (f"sync PATH {URL} --channels a,,b", "--channels"),
            (f"sync PATH {URL} --docs ,", "--docs"),
            ("serve PATH --no-tls --cert x --key y", "not allowed with --no-tls"),
            ("serve PATH --no-tls --client-ca x", "not allowed with --no-tls"),
            ("serve PATH --key y", "--key needs --cert"),
            ("serve PATH --port 65536", "--port"),
            ("serve PATH --name a/b", "--name"),
            ("serve PATH --user u --password-file EMPTY", "is empty"),
            (
                "serve PATH --no-tls --host 0.0.0.0 --user u --password-file PASSWORD",
                "connections without TLS",
            ),
        ],
    )
    def test_wrong_arguments_give_exit_status_2_and_create_nothing(
        self, words: str, sentence: str, here: Path, secret: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "empty").write_text("\n")
        places = {"PATH": str(here), "PASSWORD": str(secret), "EMPTY": str(tmp_path / "empty")}
        done = run(*(places.get(word, word) for word in words.split()))
        assert (done.status, done.out) == (2, "")
        assert sentence in done.err
        assert not here.exists()


def test_lost_connection_is_not_blamed_on_missing_tls(serve: Serve, here: Path) -> None:
    put(here, "a")
    served = serve("--no-tls")
    with processes.Popen(
        [LOGBOAT, "db", "sync", here, served.url, "--continuous"], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any("pushed 1 document" in line for line in lines)
        served.running.process.kill()
        offline = next(line for line in lines if line.startswith("offline: "))
        process.terminate()
    assert "TLS" not in offline
    assert "without a close message" in offline or "reset" in offline


def test_port_in_use_gives_one_line_and_exit_status_1(serve: Serve, here: Path) -> None:
    port = serve("--no-tls").url.rpartition(":")[2].partition("/")[0]
    done = run("serve", here, "--no-tls", "--port", port)
    assert (done.status, done.out, done.err.count("\n")) == (1, "", 1)
    assert port in done.err
    assert "use another --port" in done.err


def test_local_commands_do_not_import_network_modules(here: Path) -> None:
    put(here, "a")
    code = (
        "import sys; from services.cli.main import main; main(sys.argv[1:]);"
        "print([m for m in sys.modules if m in ('asyncio', 'cryptography', 'websockets', 'sync.net')])"
    )
    words = [sys.executable, "-c", code, "db", "get", str(here), "a"]
    done = subprocess.run(words, capture_output=True, text=True, env=dict(os.environ), check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_sync_merges_the_acknowledgements_of_an_alarm(here: Path, there: Path, serve: Serve) -> None:
    alarm = documents.alarm_id("argo", "bilge", "abcdef", 7)
    for path, who in ((here, "anna"), (there, "bert")):
        with Database.open(path, policy=documents.POLICY) as database:
            raised = database.put(alarm, {"type": "alarm", "acks": []})
            database.put(alarm, {"type": "alarm", "acks": [{"who": who, "when": "1"}]}, parent=raised)
    served = serve()
    assert run("sync", here, served.url, "--pin", served.pin).status == 0
    for path in (here, there):
        with Database.open(path, policy=documents.POLICY) as database:
            found = database.get(alarm)
            assert found is not None
            assert [ack["who"] for ack in found.body["acks"]] == ["anna", "bert"]
