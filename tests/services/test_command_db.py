"""The command `logboat db` works on a document store that is given by its path."""

import io
import json
import threading
from pathlib import Path

import pytest

from sync.store import Database

from . import documents as build
from .appliance import Appliance, logboat

__all__ = ["logboat"]


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "db" / "some.db")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()


def put(logboat: Appliance, path: str, document_id: str, body: str, *more: str) -> str:
    done = logboat("db", "put", path, document_id, body, *more)
    assert (done.status, done.err) == (0, "")
    return done.out.strip()


class TestPut:
    def test_put_prints_the_new_revision_and_creates_the_store(self, logboat: Appliance, path: str) -> None:
        assert put(logboat, path, "a", '{"n": 1}').startswith("1-")
        assert logboat("db", "get", path, "a").json == {"n": 1}

    def test_update_names_the_revision_that_it_replaces(self, logboat: Appliance, path: str) -> None:
        first = put(logboat, path, "a", '{"n": 1}')
        assert put(logboat, path, "a", '{"n": 2}', "--rev", first).startswith("2-")
        assert logboat("db", "get", path, "a").json == {"n": 2}

    @pytest.mark.parametrize("stale", [[], ["--rev", "1-00000000000000000000000000000000"]])
    def test_stale_update_is_refused_as_a_conflict(
        self, logboat: Appliance, path: str, stale: list[str]
    ) -> None:
        put(logboat, path, "a", '{"n": 1}')
        done = logboat("db", "put", path, "a", '{"n": 2}', *stale)
        assert (done.status, done.out) == (1, "")
        assert logboat("db", "get", path, "a").json == {"n": 1}

    def test_body_may_be_read_from_standard_input(
        self, logboat: Appliance, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO('{"öl": "5W-40"}'.encode())))
        put(logboat, path, "a", "-")
        assert logboat("db", "get", path, "a").json == {"öl": "5W-40"}

    @pytest.mark.parametrize(
        ("body", "sentence"),
        [
            ("{", "the body is not valid JSON"),
            ("\udcff", "the body is not valid JSON"),
            ("[1]", "the body is not a JSON object"),
            ('{"_id": "b"}', "_id"),
        ],
    )
    def test_invalid_document_is_wrong_usage(
        self, logboat: Appliance, path: str, body: str, sentence: str
    ) -> None:
        done = logboat("db", "put", path, "a", body)
        assert done.status == 2
        assert sentence in done.err

    def test_missing_folder_is_not_created(self, logboat: Appliance, tmp_path: Path) -> None:
        done = logboat("db", "put", str(tmp_path / "none" / "x.db"), "a", "{}")
        assert done.status == 1
        assert "no such folder" in done.err


class TestReading:
    @pytest.mark.parametrize(
        "action", ["get x", "ls", "rm x", "changes", "info", "check", "compact", "checkpoints", "export"]
    )
    def test_missing_store_is_reported_in_a_sentence_and_not_created(
        self, logboat: Appliance, path: str, action: str
    ) -> None:
        name, *rest = action.split()
        done = logboat("db", name, path, *rest)
        assert done.status == 1
        assert done.err == f"logboat: {path}: no such store\n"
        assert not Path(path).exists()

    def test_missing_document_gives_exit_status_1(self, logboat: Appliance, path: str) -> None:
        put(logboat, path, "a", "{}")
        done = logboat("db", "get", path, "b")
        assert (done.status, done.err) == (1, "logboat: b: no such document\n")

    def test_meta_adds_id_and_revision(self, logboat: Appliance, path: str) -> None:
        revision = put(logboat, path, "a", '{"n": 1}')
        assert logboat("db", "get", path, "a", "--meta").json == {"_id": "a", "_rev": revision, "n": 1}

    def test_earlier_revision_can_be_read_while_it_is_kept(self, logboat: Appliance, path: str) -> None:
        first = put(logboat, path, "a", '{"n": 1}')
        done = logboat("db", "get", path, "a", "--rev", "1-00000000000000000000000000000000")
        assert done.status == 1
        assert logboat("db", "get", path, "a", "--rev", first).json == {"n": 1}

    def test_deleted_document_has_only_meta_data(self, logboat: Appliance, path: str) -> None:
        put(logboat, path, "a", '{"n": 1}')
        tombstone = logboat("db", "rm", path, "a").out.strip()
        assert tombstone.startswith("2-")
        assert logboat("db", "get", path, "a").status == 1
        assert logboat("db", "get", path, "a", "--meta").json == {
            "_id": "a",
            "_rev": tombstone,
            "_deleted": True,
        }
        assert logboat("db", "ls", path).out == ""

    def test_removing_a_missing_or_changed_document_gives_exit_status_1(
        self, logboat: Appliance, path: str
    ) -> None:
        first = put(logboat, path, "a", "{}")
        put(logboat, path, "a", '{"n": 2}', "--rev", first)
        assert logboat("db", "rm", path, "b").status == 1
        assert logboat("db", "rm", path, "a", "--rev", first).status == 1
        assert logboat("db", "get", path, "a").json == {"n": 2}


class TestListing:
    @pytest.fixture(autouse=True)
    def filled(self, logboat: Appliance, path: str) -> None:
        for name in ("b", "a", "ab"):
            put(logboat, path, name, "{}")

    def test_ids_are_listed_one_per_line_in_order(self, logboat: Appliance, path: str) -> None:
        assert logboat("db", "ls", path).lines == ["a", "ab", "b"]
        assert logboat("db", "ls", path, "--prefix", "a", "--limit", "1").lines == ["a"]

    def test_since_lists_changed_documents_in_order_of_change(self, logboat: Appliance, path: str) -> None:
        assert logboat("db", "ls", path, "--since", "1").lines == ["a", "ab"]
        assert logboat("db", "ls", path, "--since", "0", "--limit", "2").lines == ["b", "a"]

    def test_long_format_has_revision_and_sequence(self, logboat: Appliance, path: str) -> None:
        name, revision, sequence = logboat("db", "ls", path, "-l").lines[2].split()
        assert (name, sequence) == ("b", "1")
        assert revision.startswith("1-")

    def test_changes_have_sequence_and_revision(self, logboat: Appliance, path: str) -> None:
        logboat("db", "rm", path, "a")
        rows = [line.split() for line in logboat("db", "changes", path, "--since", "1").lines]
        assert [(row[0], row[1]) for row in rows] == [("3", "ab"), ("4", "a")]
        assert rows[1][3] == "deleted"

    def test_json_output_has_one_line_per_document(self, logboat: Appliance, path: str) -> None:
        found = [json.loads(line) for line in logboat("db", "changes", path, "--json").lines]
        assert [(change["seq"], change["id"], change["deleted"]) for change in found] == [
            (1, "b", False),
            (2, "a", False),
            (3, "ab", False),
        ]

    def test_following_prints_new_changes_and_ends_at_its_limit(self, logboat: Appliance, path: str) -> None:
        def add() -> None:
            with Database.open(Path(path)) as database:
                database.put("later", {})

        other = threading.Thread(target=add)
        other.start()
        done = logboat("db", "changes", path, "--since", "3", "--follow", "--limit", "1")
        other.join()
        assert done.lines[0].split()[:2] == ["4", "later"]


class TestWhole:
    def test_info_prints_counts(self, logboat: Appliance, path: str) -> None:
        put(logboat, path, "a", "{}")
        put(logboat, path, "b", "{}")
        logboat("db", "rm", path, "b")
        found = logboat("db", "info", path, "--json").json
        assert (found["documents"], found["deleted"], found["lastSequence"]) == (1, 1, 3)
        assert "documents" in logboat("db", "info", path).out

    def test_sound_store_is_reported_as_sound(self, logboat: Appliance, path: str) -> None:
        put(logboat, path, "a", "{}")
        done = logboat("db", "check", path)
        assert (done.status, done.out) == (0, "no damage found: 1 document\n")
        found = logboat("db", "check", path, "--json").json
        assert (found["sound"], found["findings"]) == (True, [])

    def test_damage_is_found_and_gives_exit_status_1(self, logboat: Appliance, path: str) -> None:
        build.store(
            Path(path), *(build.reading(*range(50), first=1 + 50 * n, start=50 * n) for n in range(40))
        )
        content = bytearray(Path(path).read_bytes())
        content[-4_096:] = bytes(4_096)
        Path(path).write_bytes(content)
        done = logboat("db", "check", path)
        assert done.status == 1
        assert done.out or done.err

    def test_compaction_reports_the_space_that_it_freed(self, logboat: Appliance, path: str) -> None:
        build.store(
            Path(path), *(build.reading(*range(500), first=1 + 500 * n, start=500 * n) for n in range(40))
        )
        with Database.open(Path(path)) as database:
            database.purge([document.id for document in database.documents()])
        before = Path(path).stat().st_size
        done = logboat("db", "compact", path, "--json")
        assert done.json["fileBytes"] == before - Path(path).stat().st_size > 0

    def test_export_has_one_line_for_every_document(
        self, logboat: Appliance, path: str, tmp_path: Path
    ) -> None:
        revision = put(logboat, path, "a", '{"n": 1}')
        put(logboat, path, "b", "{}")
        logboat("db", "rm", path, "b")
        assert [json.loads(line) for line in logboat("db", "export", path).lines] == [
            {"_id": "a", "_rev": revision, "n": 1}
        ]
        target = tmp_path / "all.jsonl"
        assert logboat("db", "export", path, str(target), "--deleted").status == 0
        assert len(target.read_text().splitlines()) == 2

    def test_failed_export_leaves_no_file(self, logboat: Appliance, path: str, tmp_path: Path) -> None:
        put(logboat, path, "a", "{}")
        done = logboat("db", "export", path, str(tmp_path / "none" / "all.jsonl"))
        assert done.status == 1
        assert "No such file" in done.err


class TestCheckpoints:
    @pytest.fixture(autouse=True)
    def kept(self, logboat: Appliance, path: str) -> None:
        put(logboat, path, "a", "{}")
        with Database.open(Path(path)) as store:
            for owner, name in (("user:guest", "cp-1"), ("user:guest", "cp-2"), ("vessel:brigid", "cp-3")):
                store.checkpoints.put(owner, name, b'{"remote":7}', parent=None)

    def test_checkpoints_are_listed_with_their_owners(self, logboat: Appliance, path: str) -> None:
        assert logboat("db", "checkpoints", path).lines == [
            "cp-1  user:guest  12 B  in use",
            "cp-2  user:guest  12 B  in use",
            "cp-3  vessel:brigid  12 B  in use",
        ]
        assert len(logboat("db", "checkpoints", path, "--of", "user:guest").lines) == 2

    def test_checkpoints_are_dropped_singly_or_by_owner(self, logboat: Appliance, path: str) -> None:
        assert logboat("db", "checkpoints", path, "cp-1", "--drop").lines == [
            "cp-1  user:guest  12 B  dropped"
        ]
        assert logboat("db", "checkpoints", path, "--of", "user:guest", "--drop").status == 0
        assert [line.split()[0] for line in logboat("db", "checkpoints", path).lines] == ["cp-3"]

    def test_missing_checkpoint_gives_exit_status_1_and_none_is_dropped(
        self, logboat: Appliance, path: str
    ) -> None:
        done = logboat("db", "checkpoints", path, "cp-1", "cp-9", "--drop")
        assert (done.status, done.err) == (1, "logboat: cp-9: no such checkpoint\n")
        assert len(logboat("db", "checkpoints", path).lines) == 3
