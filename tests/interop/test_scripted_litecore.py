"""`logboat db` replicates with a simulated LiteCore over a real WebSocket."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sync.store import Database
from tests import processes
from tests.peer.litecore import LiteCore
from tests.peer.litecore_server import LiteCoreServer

LOGBOAT = str(Path(sys.executable).with_name("logboat"))


@pytest.fixture
def server() -> Iterator[LiteCoreServer]:
    with LiteCoreServer() as server:
        yield server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "here.db"


def edited(path: Path, *names: str, times: int) -> dict[str, str]:
    """Write `times` revisions of each document, and return the last ones by document id."""
    with Database.open(path) as database, database.transaction():
        for name in names:
            for number in range(times):
                found = database.get(name)
                database.put(name, {"n": number}, parent=None if found is None else found.rev)
        return {name: found.rev for name in names if (found := database.get(name)) is not None}


def replicate(verb: str, path: Path, server: LiteCoreServer) -> tuple[int, dict[str, Any], str]:
    """Run `logboat db push` or a similar command. Return exit status, JSON result and all output as text."""
    words = [LOGBOAT, "db", verb, str(path), server.url, "--attempts", "1", "--json"]
    done = processes.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), done.stdout + done.stderr


@pytest.mark.parametrize("verb", ["push", "sync"])
def test_every_message_names_the_collection(path: Path, server: LiteCoreServer, verb: str) -> None:
    revisions = edited(path, "d", times=1)
    status, _, said = replicate(verb, path, server)
    assert status == 0, said
    assert server.litecore.current("d") == (revisions["d"], False)
    assert server.litecore.requests[0].profile == "getCollections"
    status, _, said = replicate(verb, path, server)
    assert status == 0, said
    assert len(server.litecore.proposed()) == 1


def test_without_cbmobile_3_no_message_names_a_collection(path: Path) -> None:
    litecore = LiteCore(requires_collections=False, knows_collections=False)
    edited(path, "d", times=1)
    with LiteCoreServer(litecore, subprotocol="BLIP_3+CBMobile_2") as server:
        status, _, said = replicate("push", path, server)
    assert status == 0, said
    assert litecore.current("d") is not None
    assert "getCollections" not in {request.profile for request in litecore.requests}


def test_document_edited_twice_since_another_vessel_pushed_it_is_accepted(
    path: Path, server: LiteCoreServer
) -> None:
    server.litecore.put("d", edited(path, "d", times=1)["d"])
    last = edited(path, "d", times=2)["d"]
    status, _, said = replicate("push", path, server)
    assert status == 0, said
    assert server.litecore.closes == []
    assert server.litecore.current("d") == (last, False)


def test_document_pushed_and_then_edited_many_times_is_accepted(path: Path, server: LiteCoreServer) -> None:
    names = [f"d{number}" for number in range(3)]
    edited(path, *names, times=1)
    assert replicate("push", path, server)[0] == 0
    last = edited(path, *names, times=60)
    status, _, said = replicate("push", path, server)
    assert status == 0, said
    assert server.litecore.refusals == []
    assert {name: server.litecore.current(name) for name in names} == {
        name: (revision, False) for name, revision in last.items()
    }


@pytest.mark.parametrize("verb", ["push", "sync"])
def test_edit_that_cannot_be_pushed_fails_at_every_run(path: Path, server: LiteCoreServer, verb: str) -> None:
    litecore = server.litecore
    litecore.put("bad", "2-cc", "1-cc")
    # Without `tells`, LiteCore announces no document, as if the document were in another channel.
    litecore.tells = verb == "push"
    revisions = edited(path, "bad", "good", times=2)
    for _ in range(2):
        status, _, said = replicate(verb, path, server)
        assert status == 1
        assert "bad" in said
        assert litecore.current("bad") == ("2-cc", False)
        assert litecore.current("good") == (revisions["good"], False)
    assert litecore.closes == []


@pytest.mark.parametrize("verb", ["push", "sync"])
def test_document_that_was_deleted_on_both_sides_is_no_conflict(
    path: Path, server: LiteCoreServer, verb: str
) -> None:
    first = edited(path, "d", times=1)["d"]
    server.litecore.put("d", first)
    server.litecore.put("d", "2-cc", first, deleted=True)
    server.litecore.tells = False
    with Database.open(path) as database:
        database.delete("d", parent=first)
    status, _, said = replicate(verb, path, server)
    assert status == 0, said
    assert server.litecore.closes == []
    assert server.litecore.current("d") is not None
    assert server.litecore.current("d")[1]  # type: ignore[index]
    assert replicate(verb, path, server)[0] == 0
