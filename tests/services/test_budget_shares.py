"""A vessel's own documents are removed only if no other owner's documents exceed their share."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.documents import budget_shares, retention
from services.documents.budget_shares import OwnerBytes, ShareOwner, owner_of, surplus
from services.documents.retention import make_room
from sync import documents
from sync.store import Database

from . import documents as build
from .documents import UTC

LOG = "abcdef"
LOGS = {LOG}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as opened:
        yield opened


@pytest.mark.parametrize(
    ("part", "owner"),
    [
        ("reading:argo:rpm:abcdef", ShareOwner.OWN),
        ("gap:argo:rpm:abcdef", ShareOwner.OWN),
        ("alarm:argo:rpm:abcdef", ShareOwner.OWN),
        ("equipment:argo", ShareOwner.OWN),
        ("boot:argo:abcdef", ShareOwner.OWN),
        ("vessel", ShareOwner.OWN),
        ("fleet", ShareOwner.OWN),
        ("reading:argo:fuel:zzzzzz", ShareOwner.CREW),
        ("reading:argo", ShareOwner.CREW),
        ("note:argo", ShareOwner.CREW),
        ("note:brigid", ShareOwner.CREW),
        ("service:argo", ShareOwner.CREW),
        ("service:brigid", ShareOwner.CREW),
        ("silence:argo:rpm:abcdef", ShareOwner.CREW),
        ("silence:brigid:rpm:abcdef", ShareOwner.CREW),
        ("photo", ShareOwner.CREW),
        ("", ShareOwner.CREW),
        ("reading:brigid:rpm:abcdef", ShareOwner.VESSELS),
        ("equipment:brigid", ShareOwner.VESSELS),
        ("alarm:brigid:rpm:abcdef", ShareOwner.VESSELS),
        ("forwarded:office", ShareOwner.VESSELS),
    ],
)
def test_documents_count_towards_the_share_of_their_owner(part: str, owner: ShareOwner) -> None:
    assert owner_of(part, "argo", LOGS) is owner


SIZES = st.integers(0, 10**12)


@given(SIZES, SIZES, SIZES, SIZES)
def test_own_history_is_removed_only_when_no_other_owner_exceeds_its_share(
    own: int, vessels: int, crew: int, excess: int
) -> None:
    held = OwnerBytes(own, vessels, crew)
    gone = surplus(held, excess)
    assert gone.total == excess
    assert (gone.vessels, gone.crew) <= (vessels, crew)
    room = max(held.total - excess, 0)
    if gone.own:
        assert vessels - gone.vessels <= max(room * budget_shares.VESSELS, budget_shares.LEAST)
        assert crew - gone.crew <= max(room * budget_shares.CREW, budget_shares.LEAST)
        if room > 10 * budget_shares.LEAST and excess <= held.total:
            assert own > room * (1 - budget_shares.VESSELS - budget_shares.CREW) - 2


def test_nothing_is_removed_while_there_is_space() -> None:
    assert surplus(OwnerBytes(1, 10**9, 10**9), 0) == OwnerBytes()
    assert surplus(OwnerBytes(1, 10**9, 10**9), -5) == OwnerBytes()


def own_readings(database: Database) -> int:
    return database.count(documents.reading_prefix("argo", "rpm", LOG))


def bring(database: Database, what: str, number: int, size: int) -> None:
    """Store one document of about `size` bytes. `what` is its kind, such as `own` or `note`."""
    text = "x" * size
    if what == "own":
        document_id, body = build.reading(1.0, first=number + 1)
        database.put(document_id, body | {"padding": text})
    elif what == "note":
        database.put(f"note:argo:{number:026d}", {"type": "note", "text": text})
    elif what == "service":
        database.put(f"service:argo:{number:026d}", {"type": "service", "text": text})
    elif what == "silence":
        database.put(f"silence:argo:rpm:{LOG}:{number:012d}", {"type": "silence", "text": text})
    elif what == "app":
        database.put(f"photo-{number}", {"text": text})
    elif what == "blob":
        digest = database.blobs.put(text.encode() + str(number).encode())
        blob = {"@type": "blob", "digest": digest, "length": size}
        database.put(f"note:argo:{10**6 + number:026d}", {"type": "note", "photo": blob})
    elif what == "channels":
        document_id = f"note:argo:{2 * 10**6 + number:026d}"
        channels = [f"{name:08d}" for name in range(size // 100)]
        revision = database.put(document_id, {"type": "note", "channels": channels})
        database.put(document_id, {"type": "note", "channels": []}, parent=revision)
    elif what == "orphan":
        database.blobs.put(b"orphan" + text.encode() + str(number).encode())
    elif what == "manual":
        document_id, body = build.reading(1.0, sensor="fuel", log="zzzzzz", first=number + 1)
        database.put(document_id, body | {"padding": text})
    elif what == "checkpoint":
        database.checkpoints.put(f"user:{number}", "cp", b'{"x":"%s"}' % text[:8_000].encode(), parent=None)
    else:
        document_id, body = {
            "equipment": build.equipment(1.0, vessel="brigid"),
            "alarm": build.alarm(1, vessel="brigid"),
            "reading": build.reading(1.0, vessel="brigid"),
        }[what]
        document_id = f"{document_id.rpartition(':')[0]}:{number + 1:012d}"
        database.put(document_id, body | {"padding": text})


BROUGHT = [
    "silence",
    "note",
    "service",
    "app",
    "blob",
    "orphan",
    "channels",
    "manual",
    "checkpoint",
    "equipment",
    "alarm",
    "reading",
]


@pytest.mark.parametrize("what", [*BROUGHT, "everything"])
def test_own_readings_are_kept_whatever_others_send(database: Database, what: str) -> None:
    for number in range(100):
        bring(database, "own", number, 2_000)
    kinds = BROUGHT if what == "everything" else [what]
    for number in range(180):
        bring(database, kinds[number % len(kinds)], number, 20_000)

    def excess() -> int:
        usage = database.usage()
        return usage.used + usage.blobs - database.blobs.unused_bytes() - 1_000_000

    for _ in range(3):
        make_room(database, vessel="argo", excess=excess, utc=UTC, log=LOG)
    assert excess() <= 0
    assert own_readings(database) == 100
    assert database.count(documents.gap_prefix("argo", "rpm", LOG)) == 0
    database.blobs.collect()
    assert database.usage().blobs <= 1_000_000


def test_own_history_over_the_budget_is_removed_and_others_documents_within_their_share_are_kept(
    database: Database,
) -> None:
    for number in range(300):
        bring(database, "own", number, 5_000)
    for number in range(10):
        bring(database, "note", number, 5_000)
        bring(database, "reading", number, 20_000)

    def excess() -> int:
        return database.usage().used - 1_200_000

    removed = make_room(database, vessel="argo", excess=excess, utc=UTC, log=LOG)
    assert (database.count("note:"), database.count("reading:brigid:")) == (10, 10)
    assert 0 < own_readings(database) == 300 - removed.readings
    assert removed.brought == 0
    (gap,) = [found.body for found in database.documents("gap:")]
    assert (gap["first"], gap["last"], gap["reason"]) == (1, removed.readings, retention.REASON)


def test_silences_are_removed_before_all_other_documents_of_the_crew(database: Database) -> None:
    for number in range(40):
        bring(database, "app", number, 5_000)
        bring(database, "silence", number, 5_000)
    make_room(database, vessel="argo", excess=lambda: database.usage().used - 300_000, utc=UTC, log=LOG)
    assert database.count("silence:") == 0 < database.count("photo-")


def test_notes_are_removed_before_records_of_service(database: Database) -> None:
    for number in range(40):
        bring(database, "service", number, 5_000)
        bring(database, "note", number, 5_000)
    make_room(database, vessel="argo", excess=lambda: database.usage().used - 300_000, utc=UTC, log=LOG)
    assert database.count("note:") == 0 < database.count("service:")


def test_history_of_others_that_is_safe_ashore_is_removed_first(database: Database) -> None:
    for number in range(60):
        bring(database, "reading", number, 20_000)
    database.put("forwarded:office:argo", {"bounds": {}})
    safe = documents.reading_prefix("brigid", "rpm", LOG)
    later = [f"{safe}{number:012d}" for number in range(200, 210)]
    for document_id in later:
        number = int(document_id.rpartition(":")[2])
        body = {"first": number, "last": number, "startUtc": "2026", "padding": "x" * 20_000}
        database.put(document_id.replace("rpm", "fuel"), body)
    database.put("forwarded:office:brigid", {"bounds": {f"brigid:fuel:{LOG}": 209}})

    def excess() -> int:
        return database.usage().used - 1_200_000

    removed = make_room(database, vessel="argo", excess=excess, utc=UTC, log=LOG)
    assert removed.brought == removed.readings > 10
    assert database.count(documents.reading_prefix("brigid", "fuel", LOG)) == 0
    assert database.count("forwarded:") == 2


ADDITIONS = st.lists(st.tuples(st.sampled_from(["own", *BROUGHT]), st.integers(100, 30_000)), max_size=60)


@settings(max_examples=25, deadline=None)
@given(ADDITIONS, st.integers(10_000, 1_500_000))
def test_no_own_reading_is_removed_while_others_exceed_their_share(
    tmp_path_factory: pytest.TempPathFactory, additions: list[tuple[str, int]], budget: int
) -> None:
    with Database.open(tmp_path_factory.mktemp("shares") / "log.db", policy=documents.POLICY) as database:
        for number, (what, size) in enumerate(additions):
            bring(database, what, number, size)
        before = own_readings(database)

        def excess() -> int:
            usage = database.usage()
            return usage.used + usage.blobs - database.blobs.unused_bytes() - budget

        make_room(database, vessel="argo", excess=excess, utc=UTC, log=LOG)
        if own_readings(database) < before:
            left = retention.bytes_by_owner(database, "argo", LOGS)
            room = max(left.total, budget)
            page = 4096 * 12  # allowance for pages that are not full
            kept = database.checkpoints.size()
            assert left.vessels <= max(room * budget_shares.VESSELS, budget_shares.LEAST) + page
            assert left.crew <= max(room * budget_shares.CREW, budget_shares.LEAST, kept) + page
