"""Documents that a real Sync Gateway rejects are kept, reported and retried, and do not count as sent."""

import itertools
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sync import documents
from sync.documents import POLICY
from sync.store import Database
from tests import processes
from tests.gateway import builders
from tests.interop.sync_gateway.gateway import Gateway, GatewayDatabase
from tests.services.syncing import SyncProcess
from tests.services.test_command_db_sync import LOGBOAT, Done, put, run

pytestmark = pytest.mark.timeout(600)  # the first test builds the gateway
NUMBERS = itertools.count()
ROUTES = "channel(doc.channels);"
TAKES_ALL = f"function (doc) {{ {ROUTES} }}"
REFUSES = (
    'function (doc) { if (doc.bad || doc.first == 3) { throw({forbidden: "no such sensor"}) }'
    " channel(doc.channels); }"
)
FAILS = f"function (doc) {{ if (doc.bad) {{ doc.missing.field }} {ROUTES} }}"
REFUSED = documents.reading_id("argo", "main", builders.LOG, 3)


@pytest.fixture
def office(gateway: Gateway, tmp_path: Path) -> Iterator[GatewayDatabase]:
    bucket = tmp_path / "bucket"  # in a folder, so that it survives a change of the sync function
    bucket.mkdir()
    database = gateway.database(f"office{next(NUMBERS)}", sync=REFUSES, server=f"walrus:{bucket}")
    database.add_user("argo", "secret")
    yield database
    gateway.drop(database)


@pytest.fixture
def argo(tmp_path: Path, office: GatewayDatabase) -> Iterator[SyncProcess]:
    """Yield a vessel with five readings and an alarm, whose gateway forwards to a Sync Gateway."""
    toml = (
        f'[[gateway]]\nname = "office"\nkind = "couchbase"\nurl = "{office.url}"\n'
        'user = "argo"\npassword_file = "office.password"\n'
    )
    with SyncProcess(tmp_path / "argo", toml=toml) as argo:
        (argo.folder / "office.password").write_text("secret\n")
        (argo.folder / "data").mkdir()
        with store(argo) as database:
            builders.write_readings(database, "argo", "main", range(1, 6))
            builders.write_alarm(database, "argo", "main", 2)
        yield argo


def store(argo: SyncProcess) -> Database:
    return Database.open(argo.folder / "data" / "log.db", policy=POLICY)


def bounds(argo: SyncProcess) -> Any:
    with store(argo) as database:
        found = database.get("forwarded:office:argo")
    return None if found is None else found.body["bounds"]


def is_told(found: dict[str, Any]) -> bool:
    (office,) = found["gateways"]
    return office["state"] == "refused" and (office["backlogDocuments"], office["refusedDocuments"]) == (1, 1)


def is_ashore(found: dict[str, Any]) -> bool:
    (office,) = found["gateways"]
    return office["state"] == "connected" and office["backlogDocuments"] == 0 and not office["refused"]


def test_refused_document_is_shown_with_its_reason_and_sent_after_a_retry(
    argo: SyncProcess, office: GatewayDatabase
) -> None:
    argo.start()
    argo.until(is_told)
    words = " ".join(argo.logboat("status").stdout.split())
    assert "office REFUSED, 1 document (0 B) to send, 1 of them rejected" in words
    assert "up to date" not in words
    (told,) = json.loads(argo.logboat("peers", "--json").stdout)["gateways"]
    assert [(each["id"], each["reason"]) for each in told["refused"]] == [(REFUSED, "no such sensor")]
    assert told["refused"][0]["when"] > 0
    assert f"the gateway rejects 1 document, most recently {REFUSED}: no such sensor" in told["problem"]

    office.set_sync_function(TAKES_ALL)
    done = argo.logboat("gateway", "retry", "office")
    assert (done.returncode, done.stdout) == (
        0,
        "office: resending 1 rejected document; to see which are still rejected, run `logboat peers`\n",
    )
    argo.until(is_ashore)
    assert REFUSED in office.revisions()
    assert argo.stop() == 0
    assert bounds(argo) == {"argo:main:qwerty": 5}


def test_refused_document_does_not_count_as_forwarded_and_is_offered_again_after_a_restart(
    argo: SyncProcess, office: GatewayDatabase
) -> None:
    argo.start()
    argo.until(is_told)
    assert argo.stop() == 0
    assert bounds(argo) == {"argo:main:qwerty": 2}
    argo.start()
    argo.until(is_told)  # the daemon has stored that the document was rejected
    assert argo.stop() == 0
    office.set_sync_function(TAKES_ALL)
    argo.start()
    argo.until(is_ashore)
    assert REFUSED in office.revisions()


def test_unknown_gateway_cannot_be_retried(argo: SyncProcess) -> None:
    argo.start()
    argo.until(is_told)
    done = argo.logboat("gateway", "retry", "club")
    assert (done.returncode, done.stderr) == (
        1,
        "logboat: unknown gateway 'club'; configured gateways: office\n",
    )


# Replications with `logboat db`

Replicate = Callable[..., Done]


@pytest.fixture
def here(tmp_path: Path) -> Path:
    return tmp_path / "here.db"


@pytest.fixture
def replicate(here: Path, office: GatewayDatabase, tmp_path: Path) -> Replicate:
    (tmp_path / "password").write_text("secret\n")
    user = ("--user", "argo", "--password-file", tmp_path / "password")
    return lambda way, *more: run(way, here, office.url, *user, *more)


@pytest.mark.parametrize("function", [REFUSES, FAILS], ids=["refuses", "fails"])
def test_pushed_document_stays_failed_until_the_gateway_accepts_it(
    replicate: Replicate, here: Path, office: GatewayDatabase, function: str
) -> None:
    office.set_sync_function(function)
    put(here, "bad", '{"bad": 1, "channels": ["notes"]}')
    put(here, "good", '{"channels": ["notes"]}')
    for _ in range(2):
        done = replicate("push", "--json")
        assert done.status == 1
        assert [failed["id"] for failed in done.json["failed"]] == ["bad"]
    office.set_sync_function(TAKES_ALL)
    assert replicate("push").status == 0
    assert set(office.revisions()) == {"bad", "good"}
    assert replicate("push", "--json").json["failed"] == []


def test_pushed_document_is_no_longer_failed_once_it_is_superseded(
    replicate: Replicate, here: Path, office: GatewayDatabase
) -> None:
    revision = put(here, "bad", '{"bad": 1, "channels": ["notes"]}')
    assert replicate("push").status == 1
    put(here, "bad", '{"channels": ["notes"]}', "--rev", revision)
    assert replicate("push").status == 0
    assert replicate("push").status == 0
    assert set(office.revisions()) == {"bad"}


@pytest.mark.parametrize(
    ("body", "words"),
    [({"n": 2**60}, "has more digits than JSON parsers preserve"), ({"n": [[]]}, "nested deeper than 64")],
    ids=["large integer", "deep nesting"],
)
def test_pulled_document_that_cannot_be_stored_stays_failed_until_it_is_superseded(
    replicate: Replicate, office: GatewayDatabase, body: dict[str, Any], words: str
) -> None:
    for _ in range(80 if body["n"] == [[]] else 0):
        body["n"] = [body["n"]]
    revision = office.put("odd", {**body, "channels": ["notes"]})
    office.put("good", {"channels": ["notes"]})
    for _ in range(2):
        done = replicate("pull", "--json")
        assert done.status == 1
        assert [failed["id"] for failed in done.json["failed"]] == ["odd"]
        assert words in done.json["failed"][0]["reason"]
    assert "odd: pull failed in an earlier run" in replicate("pull").err
    office.put("odd", {"channels": ["notes"]}, rev=revision)
    assert replicate("pull").status == 0
    assert replicate("pull", "--json").json["failed"] == []


def test_selected_documents_that_are_not_followed_are_reported_and_the_push_continues(
    here: Path, office: GatewayDatabase, tmp_path: Path
) -> None:
    (tmp_path / "password").write_text("secret\n")
    put(here, "a", '{"channels": ["notes"]}')
    with processes.Popen(
        [
            *(LOGBOAT, "db", "sync", here, office.url, "--docs", "a,b", "--continuous"),
            *("--user", "argo", "--password-file", tmp_path / "password"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        lines = iter(process.stdout.readline, "")
        assert any("pushed 1 document" in line for line in lines)
        put(here, "b", '{"channels": ["notes"]}')
        assert any("pushed 2 documents" in line for line in lines)
        process.terminate()
        _, said = process.communicate(timeout=60)
    assert set(office.revisions()) == {"a", "b"}
    assert "not pulling: " in said
    assert "the peer does not support continuous replication of selected documents" in said
    assert said.count("not pulling") == 1
