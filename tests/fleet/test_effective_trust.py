"""The signed statement with the highest number applies, from the identity files or from the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from sync import documents
from sync.documents import RADIO_KEY, REVOCATIONS
from sync.fleet import radio_key
from sync.fleet.effective_trust import Stated, current_radio_key, current_trust
from sync.fleet.identity_files import FleetIdentity
from sync.fleet.radio_key import RadioKey
from sync.fleet.revocations import Revocations, to_body
from sync.store import Database
from tests.net.certificates import NOW

from .builders import authority, trust, vessel


def stated(number: int, fleet: str = "north") -> dict[str, object]:
    return to_body(Revocations(number, NOW), fleet=fleet, key=authority(fleet).key)


def identity(number: int) -> FleetIdentity:
    """Return argo's identity, whose files contain a revocation statement with this number."""
    return FleetIdentity("argo", "north", vessel("argo"), trust(Revocations(number, NOW)), stated(number))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as opened:
        yield opened


def here(database: Database) -> int | None:
    found = database.get(REVOCATIONS)
    return None if found is None or found.deleted else found.body["number"]


def test_statement_in_the_files_is_stored(database: Database) -> None:
    assert current_trust(database, identity(0)).revocations.number == 0
    assert here(database) is None  # number 0 means that there is no statement yet
    for number in (2, 2, 5):
        assert current_trust(database, identity(number)).revocations.number == number
        assert here(database) == number
    found = database.get(REVOCATIONS)
    assert found is not None
    assert found.rev.startswith("2-")


def test_newer_statement_in_the_store_overrides_the_files(database: Database) -> None:
    database.put(REVOCATIONS, stated(7))
    assert current_trust(database, identity(2)).revocations.number == 7
    assert here(database) == 7


def test_known_statement_still_applies_after_its_document_is_deleted(database: Database) -> None:
    rev = database.put(REVOCATIONS, stated(7))
    before = current_trust(database, identity(2))
    database.delete(REVOCATIONS, parent=rev)
    assert current_trust(database, identity(2), before).revocations.number == 7
    assert here(database) == 2


def test_statement_of_another_fleets_ca_is_ignored(database: Database) -> None:
    database.put(REVOCATIONS, stated(9, "south"))
    assert current_trust(database, identity(2)).revocations.number == 2
    assert here(database) == 2


# Radio key


def offered(number: int, fleet: str = "north") -> Stated:
    said = RadioKey(number, NOW, NOW, ())
    return radio_key.to_body(said, fleet=fleet, key=authority(fleet).key), said


def kept(database: Database) -> int | None:
    found = database.get(RADIO_KEY)
    return None if found is None or found.deleted else found.body["number"]


@pytest.mark.parametrize(
    ("files", "store", "right"),
    [((), None, None), ((1,), None, 1), ((1, 3), 2, 3), ((1,), 2, 2), ((), 2, 2), ((2,), 2, 2)],
)
def test_radio_key_with_the_highest_number_applies_and_is_stored(
    database: Database, files: tuple[int, ...], store: int | None, right: int | None
) -> None:
    if store is not None:
        database.put(RADIO_KEY, offered(store)[0])
    before = database.last_sequence
    found = current_radio_key(database, authority().certificate, [offered(number) for number in files])
    assert (None if found is None else found[1].number) == right == kept(database)
    assert (database.last_sequence == before) == (right == store)


def test_radio_key_of_another_fleets_ca_is_replaced(database: Database) -> None:
    database.put(RADIO_KEY, offered(9, "south")[0])
    assert current_radio_key(database, authority().certificate, []) is None
    found = current_radio_key(database, authority().certificate, [offered(2)])
    assert found == offered(2)
    assert kept(database) == 2
