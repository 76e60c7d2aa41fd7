"""The demo compares the stores, verifies the samples, and prints a summary."""

import io
import signal
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sensors.config.loader import load_sensors
from services.config import loader
from services.demo import fleet, proof, summary, vessel, vessel_sensors
from services.demo.progress import ProgressDisplay, ProgressRow
from services.demo.proof import ExpectedSamples, StoreContents
from services.demo.scenario import Outage, ScenarioEvents
from services.demo.shore import ArrivedDocuments
from services.demo.store_differences import Standing, apart, newer
from sync.documents import POLICY
from sync.fleet import identity_files
from sync.store import Database

from . import documents as build
from .documents import Built

NOW = datetime.fromtimestamp(build.UTC, UTC)
RPM = "reading:argo:rpm:abcdef:000000000001"
HISTORY = (build.reading(1.0, 2.0, 3.0), build.reading(4.0, 5.0, first=4, start=103.0))
ARGO = ExpectedSamples("argo", frozenset({"rpm"}), {("rpm", "abcdef"): {1, 2, 3, 4, 5}})
"""Samples that the recorder of the vessel argo reported as durable. All of them are in `HISTORY`."""

Standings = st.dictionaries(
    st.sampled_from("abcde"), st.sampled_from(["1-a", "1-b", "2-a", "9-f", "10-a"]), max_size=5
)


class TestStandings:
    def test_document_is_newer_by_its_generation_and_then_by_its_digest(self) -> None:
        mine = {"a": "10-a", "b": "1-b", "c": "1-a", "d": "2-a"}
        theirs = {"a": "9-f", "b": "1-a", "c": "1-a", "d": "9-f"}
        assert newer(mine, theirs) == {"a": "10-a", "b": "1-b"}

    @given(Standings, st.lists(Standings, max_size=3))
    def test_store_that_receives_the_differences_has_everything(
        self, one: Standing, others: list[Standing]
    ) -> None:
        between = apart(one, others)
        informed = {**one, **between.lacked}
        for other in others:
            assert newer(other, informed) == {}
        for document in one:
            is_news_to_all = all(document in newer(one, other) for other in others)
            assert is_news_to_all == (document in between.own)
        assert between.is_past([informed])

    def test_difference_is_resolved_when_every_store_has_it_or_newer(self) -> None:
        between = apart({"a": "2-a", "b": "1-a"}, [{"b": "3-a"}])
        assert (between.own, between.lacked) == ({"a": "2-a"}, {"b": "3-a"})
        assert between.is_past([{"a": "2-a", "b": "3-a"}, {"a": "2-b", "b": "4-a", "c": "1-a"}])
        assert not between.is_past([{"a": "2-a", "b": "3-a"}, {"a": "2-a", "b": "2-a"}])

    def test_stores_differ_mutually_only_if_both_lack_something(self) -> None:
        assert not apart({"a": "1-a"}, [{"a": "1-a"}]).is_mutual
        assert not apart({"a": "1-a"}, [{}]).is_mutual
        assert apart({"a": "1-a"}, [{"b": "1-a"}]).is_mutual


@pytest.fixture
def hold(tmp_path: Path) -> Iterator[Callable[..., Database]]:
    """Yield a function that creates stores with the given documents."""
    opened: list[Database] = []

    def made(*built: Built) -> Database:
        path = tmp_path / f"{len(opened)}.db"
        opened.append(Database.open(path, policy=POLICY))
        build.write(opened[-1], *built)
        return opened[-1]

    yield made
    for database in opened:
        database.close()


class TestProof:
    def test_stores_with_all_durable_samples_are_without_fault(self, hold: Callable[..., Database]) -> None:
        found = [proof.examine(hold(*HISTORY), name, [ARGO]) for name in ("argo", "brigid")]
        assert [one.faults for one in found] == [(), ()]
        assert [one.not_held for one in found] == [0, 0]
        assert found[0].digest == found[1].digest
        assert proof.compare(found) == []

    @pytest.mark.parametrize(
        ("held", "fault"),
        [
            (HISTORY[1:], "argo's rpm abcdef 1 to 3 missing"),
            (HISTORY[1:], "reported durable, but missing: argo's rpm abcdef 1 to 3 (3 samples)"),
            (HISTORY[:1], "reported durable, but missing: argo's rpm abcdef 4 to 5 (2 samples)"),
            ((*HISTORY[1:], build.gap(1, 3)), "argo's rpm abcdef 1 to 3 in a gap"),
            (
                (*HISTORY, build.reading(5.0, 6.0, first=5, start=104.0)),
                "argo's rpm abcdef 5 to 5 duplicated",
            ),
            (
                (*HISTORY, build.equipment(sequence=7)),
                "argo's rpm abcdef: 2 samples after number 5 are not in any document",
            ),
            ((), "there is no data from argo's rpm"),
        ],
    )
    def test_missing_or_wrong_samples_are_named(
        self, hold: Callable[..., Database], held: Sequence[Built], fault: str
    ) -> None:
        assert fault in proof.examine(hold(*held), "argo", [ARGO]).faults

    def test_unresolved_conflict_is_a_fault(self, hold: Callable[..., Database]) -> None:
        database = hold(*HISTORY)
        database.insert("alarm:argo:rpm:abcdef:000000000001", "1-aa", body={"a": 1})
        database.insert("alarm:argo:rpm:abcdef:000000000001", "1-bb", body={"a": 2})
        (fault,) = proof.examine(database, "argo", [ARGO]).faults
        assert fault == "alarm:argo:rpm:abcdef:000000000001 has two leaf revisions"

    def test_difference_in_one_document_is_found(self, hold: Callable[..., Database]) -> None:
        ours, theirs = hold(*HISTORY), hold(*HISTORY)
        assert theirs.purge([RPM]) == 1
        found = [proof.examine(store, name, []) for store, name in ((ours, "argo"), (theirs, "brigid"))]
        assert proof.compare(found) == [f"{RPM} is not in the store of brigid"]

    def test_deleted_document_differs_from_a_missing_one(self, hold: Callable[..., Database]) -> None:
        ours, theirs = hold(("note:argo:a", {"text": "a"})), hold()
        document = ours.get("note:argo:a")
        assert document is not None
        ours.delete("note:argo:a", parent=document.rev)
        found = [proof.examine(store, name, []) for store, name in ((ours, "argo"), (theirs, "brigid"))]
        assert proof.compare(found) == ["note:argo:a is not in the store of brigid"]

    def test_revisions_and_bodies_are_compared(self) -> None:
        ours = _findings("argo", {"a": ("1-a", b"x"), "b": ("1-b", b"y")})
        theirs = _findings("brigid", {"a": ("2-a", b"z"), "b": ("1-b", b"w")})
        assert proof.compare([ours, theirs]) == [
            "a has different revisions: 1-a (argo), 2-a (brigid)",
            "b has different bodies for the same revision",
        ]

    def test_replayed_recording_is_compared_reading_by_reading(
        self, hold: Callable[..., Database], tmp_path: Path
    ) -> None:
        recording = tmp_path / "recording.csv"
        rows = "".join(
            f"2014-08-15T19:00:0{second}.000Z,{path},{value}\n"
            for path in vessel_sensors.REPLAYED.values()
            for second, value in ((0, 1.5), (2, 2.5))
        )
        recording.write_text(f"time,path,value\n{rows}")
        recorded = ExpectedSamples("argo", frozenset(), {}, recording=recording, speed=2.0)
        database = hold(
            build.reading(1.5, 2.5, sensor="house-voltage"),
            build.reading(1.5, 2.625, sensor="house-current"),
            build.reading(1.5, sensor="boat-speed"),
        )
        voltage, current, speed = (
            proof.compare_recording(database, recorded, sensor) for sensor in vessel_sensors.REPLAYED
        )
        assert voltage.is_equal
        assert voltage.worst_ms == 0.0
        assert current.first_difference == "reading 2: 2.625 is stored, 2.5 was recorded"
        assert speed.first_difference == "1 readings are stored, 2 were recorded"
        assert not current.is_equal
        assert not speed.is_equal


def _findings(
    holder: str, documents: dict[str, tuple[str, bytes]], *, faults: Sequence[str] = ()
) -> StoreContents:
    return StoreContents(holder, documents, (), (), 0, tuple(faults))


class TestSummary:
    VOYAGE = ScenarioEvents(
        linked_s=2.0, outage=Outage("brigid", 15.2, apart({"a": "1-a"}, [{}]), 1.5), agreed_s=0.5
    )

    def test_summary_without_faults_succeeds(self) -> None:
        found = [_findings(name, {"note:argo:a": ("1-a", b"x")}) for name in ("argo", "brigid")]
        told = summary.summarise([ARGO], found, self.VOYAGE, name="demo-1")
        assert told.is_good
        assert told.lines[-1] == "  nothing is missing"
        text = "\n".join(told.lines)
        assert "after 2.0 s, found by mDNS on loopback; TLS, certificates of fleet demo-1" in text
        assert "brigid, for 15 s; it had 1 new and missed 0 documents, all exchanged 1.5 s later" in text
        assert "all 2 are identical: ids, revisions, bodies (SHA-256 2d711642b726…)" in text
        assert "5, of which in every store: 5" in text

    def test_one_fault_in_one_store_fails_the_demo(self) -> None:
        found = [_findings("argo", {}), _findings("brigid", {}, faults=["x is missing"])]
        told = summary.summarise([ARGO], found, self.VOYAGE, name="demo-1")
        assert not told.is_good
        assert told.lines[-2:] == (
            "  SOMETHING IS MISSING OR WRONG",
            "  in the store of brigid: x is missing",
        )

    def test_differing_stores_fail_the_demo(self) -> None:
        found = [_findings("argo", {"a": ("1-a", b"x")}), _findings("brigid", {})]
        told = summary.summarise([ARGO], found, ScenarioEvents(linked_s=2.0), name="demo-1")
        assert not told.is_good
        assert told.lines[-1] == "  a is not in the store of brigid"
        assert any("THEY DIFFER" in line for line in told.lines)
        assert any("NOT REACHED in time" in line for line in told.lines)

    def test_documents_missing_ashore_fail_the_demo(self) -> None:
        found = [_findings("argo", {})]
        for ashore, is_good, words in (
            (
                ArrivedDocuments("brigid", 9, 9, 5, 5, 1),
                True,
                "9 of 9 documents in the office (Couchbase protocol); 5 of 5 by MQTT, 1 duplicated",
            ),
            (ArrivedDocuments("brigid", 9, 9, None), True, "no MQTT broker on this machine"),
            (ArrivedDocuments("brigid", 9, 8, 5, 5), False, "not everything has arrived ashore: 8 of 9"),
            (ArrivedDocuments("brigid", 9, 9, 5, 4), False, "4 of 5 by MQTT"),
        ):
            told = summary.summarise(
                [ARGO], found, ScenarioEvents(linked_s=2.0, agreed_s=1.0, ashore=ashore), name="demo-1"
            )
            assert told.is_good is is_good
            assert words in "\n".join(told.lines)

    def test_long_list_of_faults_is_truncated(self) -> None:
        found = [_findings("argo", {}, faults=[f"fault {number}" for number in range(23)])]
        told = summary.summarise([ARGO], found, ScenarioEvents(), name="demo-1")
        assert told.lines[-2:] == ("  in the store of argo: fault 19", "  and 3 more")

    def test_configured_addresses_are_mentioned(self) -> None:
        voyage = ScenarioEvents(linked_s=2.0, no_discovery="argo: port 5353 is taken", agreed_s=0.5)
        told = summary.summarise([ARGO], [_findings("argo", {})], voyage, name="demo-1")
        assert any(
            "USING CONFIGURED ADDRESSES, no mDNS on loopback: argo: port 5353" in line for line in told.lines
        )


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class TestProgress:
    ROWS = (ProgressRow("argo", 1200, 31, 2, 0), ProgressRow("carina", 90, 7, None, 4))

    def show(self, stream: io.StringIO) -> str:
        now = [0.0]
        progress = ProgressDisplay(lambda: now[0], stream=stream)
        for tick in range(1, 13):
            now[0] = tick
            progress.show(lambda: self.ROWS)
            if tick == 6:
                progress.say("carina's network is off")
        return stream.getvalue()

    def test_progress_is_printed_as_occasional_lines_without_a_terminal(self) -> None:
        row = (
            "argo 1200 samples, 31 documents, 2 links; carina 90 samples, 7 documents, network off, 4 behind"
        )
        assert self.show(io.StringIO()).splitlines() == [
            f"    5 s  {row}",
            "    6 s  carina's network is off",
            f"   11 s  {row}",
        ]

    def test_table_is_redrawn_in_place_on_a_terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TERM", "xterm")
        shown = self.show(Terminal()).split("\x1b[3F\x1b[J")
        assert len(shown) == 12
        assert shown[1].splitlines() == [
            "         vessel  samples  documents  network      behind",
            "         argo      1 200         31  2 links           0",
            "         carina       90          7  network off       4",
        ]
        assert shown[6].splitlines()[0] == "    6 s  carina's network is off"


class TestLedger:
    def test_incomplete_line_does_not_count_yet(self, tmp_path: Path) -> None:
        found = vessel.make(tmp_path, "argo", identity=tmp_path, port=4984, sensors=frozenset())
        file = found.folder / "ledger.csv"
        file.write_text("rpm,abcdef,1\nrpm,abcdef,2\nhat")
        found.count()
        assert (found.samples, found.ledger()) == (2, {("rpm", "abcdef"): {1, 2}})
        with file.open("a") as more:
            more.write("ch,abcdef,1\n")
        found.count()
        assert (found.samples, found.ledger()) == (
            3,
            {("rpm", "abcdef"): {1, 2}, ("hatch", "abcdef"): {1}},
        )


class TestFleet:
    @pytest.fixture
    def made(self, tmp_path: Path) -> fleet.Fleet:
        return fleet.make(tmp_path, vessels=2, speed=10.0, now=NOW)

    def test_each_vessel_has_an_identity_of_the_fleet(self, made: fleet.Fleet) -> None:
        found = [identity_files.load(each.identity) for each in made]
        assert [(one.vessel, one.fleet) for one in found] == [("argo", made.name), ("brigid", made.name)]

    def test_only_loopback_is_used(self, made: fleet.Fleet) -> None:
        settings = [loader.load(each.folder / "logboat.toml") for each in made]
        assert [each.listener.interfaces for each in settings] == [("lo",), ("lo",)]
        assert [each.listener.port for each in settings] == [each.port for each in made]
        assert len({each.port for each in made}) == 2

    def test_configured_sensors_are_those_that_are_verified(self, made: fleet.Fleet) -> None:
        for each in made:
            settings = load_sensors(each.folder / "sensors.toml")
            assert {sensor.id for sensor in settings} == each.sensors

    def test_each_demo_has_a_fleet_name_of_its_own(self, made: fleet.Fleet, tmp_path: Path) -> None:
        folder = tmp_path / "other"
        folder.mkdir()
        other = fleet.make(folder, vessels=1, speed=10.0, now=NOW)
        assert other.is_alone
        assert other.name != made.name

    def test_remains_of_another_demo_are_found(self, made: fleet.Fleet, tmp_path: Path) -> None:
        assert fleet.leftover_path(tmp_path) is not None
        assert fleet.leftover_path(tmp_path / "new") is None

    def test_daemon_that_is_stopped_while_it_starts_is_no_fault(self, made: fleet.Fleet) -> None:
        """On a busy machine, the demo can end before a daemon that it has just started handles signals."""
        argo, _ = made
        argo.start(vessel.Daemon.SYNC)
        argo.signal(vessel.Daemon.SYNC, signal.SIGTERM)
        argo.wait(vessel.Daemon.SYNC)
        assert not argo.runs(vessel.Daemon.SYNC)

    def test_configured_addresses_are_those_of_the_other_vessels(self, made: fleet.Fleet) -> None:
        made.tell_addresses()
        argo, brigid = made
        settings = loader.load(argo.folder / "logboat.toml")
        assert settings.mesh.static == (f"wss://127.0.0.1:{brigid.port}",)
        assert settings.listener.port == argo.port
