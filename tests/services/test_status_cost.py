"""The cost of `logboat status` is independent of the number of documents, and every open alarm is shown."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import apsw
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.clocks.clock_quality import Anchor
from services.clocks.time_source import TimeSource
from services.history.alarms import acknowledge, episodes
from services.history.boots import boots_of, timeline_around
from services.history.open_alarms import MANY, NAME, open_alarms
from services.history.timeline import Timeline
from services.state import state_file
from sync import documents
from sync.store import Database, Document, revisions, schema

from . import documents as build
from .appliance import Appliance, logboat
from .documents import UTC, network

__all__ = ["logboat"]

EVERY = 5
"""Number of SQLite virtual machine steps between two calls of the progress handler that counts them."""


class Steps:
    """Counter of the SQLite virtual machine steps that are executed in all stores opened from now on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.taken = 0
        connect = schema.connect

        def counted(*arguments: object, **named: object) -> apsw.Connection:
            connection: apsw.Connection = connect(*arguments, **named)  # type: ignore[arg-type]
            connection.set_progress_handler(self._count, EVERY)
            return connection

        monkeypatch.setattr(schema, "connect", counted)

    def _count(self) -> bool:
        self.taken += EVERY
        return False


def fill(appliance: Appliance, total: int) -> None:
    """Fill a store in which 1 of 20 documents is an alarm and 1 of 20 is a boot; few alarms are open."""
    seen = [{"who": "anna", "when": "2025-10-09T10:00:00Z"}]
    built = []
    for number in range(total // 20):
        built.append(build.alarm(1 + number, cleared=200.0, acks=seen if number > 3 else []))
        built.append(build.boot(1 + number, network(0, UTC + number), previous_end=(number, 10.0)))
        built += [build.reading(1.0, first=1 + number * 18 + n, start=100.0 + n) for n in range(18)]
    with Database.open(appliance.store, policy=documents.POLICY) as database:
        bodies = [(document_id, msgspec.json.encode(body)) for document_id, body in built]
        made = [(name, revisions.make(None, deleted=False, body=raw), raw, False) for name, raw in bodies]
        assert database.insert_new(made)
    appliance.put(*(build.equipment(3.0, sensor=f"s{number}") for number in range(12)))


@pytest.mark.parametrize("is_live", [True, False])
def test_number_of_steps_is_the_same_with_twenty_times_as_many_documents(
    is_live: bool, logboat: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = Steps(monkeypatch)
    taken = []
    for total in (1_000, 20_000):
        logboat.store.unlink(missing_ok=True)
        fill(logboat, total)
        if is_live:
            logboat.live()
        logboat("status")  # the first search for alarms
        steps.taken = 0
        done = logboat("status")
        assert "0 active, 4 not acknowledged" in done.out
        taken.append(steps.taken)
    assert 0 < taken[1] <= 1.1 * taken[0] + 50, taken


def test_after_changes_only_changed_documents_are_read(
    logboat: Appliance, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(logboat, 4_000)
    steps = Steps(monkeypatch)
    logboat("status")
    first, steps.taken = steps.taken, 0
    logboat.put(build.alarm(999_999, text="Fire", cleared=None), build.reading(1.0, first=900_000))
    assert "1 active, 5 not acknowledged; most severe: alarm, Fire" in logboat("status").out
    assert steps.taken < first / 3


class TestOpenAlarms:
    def look(self, database: Database, run: Path) -> list[str]:
        """Assert that the cached open alarms equal those of a complete search, and return their numbers."""
        found = open_alarms(database, build.VESSEL, run)
        assert found == [episode for episode in episodes(database, build.VESSEL)[0] if episode.is_open]
        return [episode.id.rpartition(":")[2].lstrip("0") for episode in found]

    @pytest.fixture
    def database(self, tmp_path: Path) -> Database:
        path = build.store(
            tmp_path / "log.db", build.boot(1, network(0, UTC)), build.alarm(1), build.alarm(2)
        )
        return Database.open(path, policy=documents.POLICY)

    def test_raised_cleared_and_acknowledged_alarms_are_tracked(
        self, database: Database, tmp_path: Path
    ) -> None:
        with database:
            assert sorted(self.look(database, tmp_path)) == ["1", "2"]
            build.write(database, build.alarm(3, cleared=200.0), build.alarm(2, cleared=200.0))
            assert sorted(self.look(database, tmp_path)) == ["1", "2", "3"]
            for number in (2, 3):
                acknowledge(database, build.alarm(number)[0], who="anna", utc=UTC)
            assert self.look(database, tmp_path) == ["1"]
            database.delete(build.alarm(1)[0], parent=_revision(database, build.alarm(1)[0]))
            assert self.look(database, tmp_path) == []

    def test_invalid_alarm_does_not_hide_others(self, database: Database, tmp_path: Path) -> None:
        with database:
            build.write(database, ("alarm:argo:rpm:abcdef:000000000009", {"type": "alarm"}))
            assert sorted(self.look(database, tmp_path)) == ["1", "2"]

    @pytest.mark.parametrize(
        "remembered",
        [
            {"uuid": "another store's", "vessel": "argo", "sequence": 1, "ids": []},
            {"vessel": "brigid", "sequence": 1, "ids": []},
            {"vessel": "argo", "sequence": 10**9, "ids": []},
            {"vessel": "argo", "sequence": -MANY, "ids": []},
            {"vessel": "argo", "sequence": "x", "ids": []},
            {"vessel": "argo", "sequence": 1, "ids": None},
        ],
    )
    def test_cache_of_another_store_is_ignored(
        self, remembered: dict[str, object], database: Database, tmp_path: Path
    ) -> None:
        with database:
            state_file.write(state_file.path(tmp_path, NAME), {"uuid": database.uuid} | remembered)
            assert sorted(self.look(database, tmp_path)) == ["1", "2"]

    def test_alarms_are_found_without_a_cache(self, database: Database, tmp_path: Path) -> None:
        with database:
            assert sorted(self.look(database, tmp_path / "none")) == ["1", "2"]


def _revision(database: Database, document_id: str) -> str:
    document = database.get(document_id)
    assert document is not None
    return document.rev


ANCHOR = st.builds(
    Anchor,
    st.floats(0, 5_000),
    st.floats(UTC, UTC + 1e6),
    st.sampled_from([*TimeSource]),
    st.floats(0, 100),
)


class InMemory:
    """Store of documents in memory, without a file."""

    def __init__(self, *built: build.Built) -> None:
        self._found = {
            name: Document(name, "1-a", place, False, False, msgspec.json.encode(body))
            for place, (name, body) in enumerate(sorted(built), start=1)
        }

    def get(self, doc_id: str, /) -> Document | None:
        return self._found.get(doc_id)

    def documents(
        self, prefix: str = "", /, *, after: str = "", reverse: bool = False, limit: int | None = None
    ) -> Iterator[Document]:
        assert (after, reverse, limit) == ("", False, None)
        return (document for name, document in self._found.items() if name.startswith(prefix))


@given(
    st.dictionaries(st.integers(0, 12), st.lists(ANCHOR, max_size=2), min_size=1),
    st.lists(st.tuples(st.integers(0, 12), st.floats(0, 6_000)), min_size=1, max_size=4),
)
def test_times_equal_those_calculated_from_all_boots(
    boots: dict[int, list[Anchor]], moments: list[tuple[int, float]]
) -> None:
    source = InMemory(
        *(
            build.boot(n, *anchors, previous_end=(n - 1, 4_000.0) if n else None)
            for n, anchors in boots.items()
        )
    )
    whole = Timeline(boots_of(source, build.VESSEL)[0])
    near = timeline_around(source, build.VESSEL, [(build.LOG, number) for number, _ in moments])
    for number, clock in moments:
        assert near.at(build.LOG, number, clock) == whole.at(build.LOG, number, clock)


def test_status_imports_no_unneeded_modules(logboat: Appliance) -> None:
    """Most of the command's running time is spent on imports."""
    fill(logboat, 20)
    logboat.live(
        pid=os.getpid(), updated={"clock": time.clock_gettime(time.CLOCK_BOOTTIME), "utc": time.time()}
    )
    program = (
        "import sys; from services.cli.main import main; assert main(sys.argv[1:]) == 0;"
        " print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "status", *logboat.places],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert "the recorder is not running" not in done.stdout
    heavy = {
        "cryptography",
        "asyncio",
        "websockets",
        "zeroconf",
        "gpiozero",
        "sensors.kind",
        "services.history.completeness",
    }
    assert heavy.isdisjoint(done.stderr.split())
