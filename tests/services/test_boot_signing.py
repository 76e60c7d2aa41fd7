"""The recorder signs boot documents with the vessel's identity. No fault in the identity stops recording."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from services.documents import boot_signing
from services.documents.boot_signing import NONE, OwnIdentity, sign_earlier
from sync import documents
from sync.fleet import signing
from sync.fleet.identity_files import FleetIdentity
from sync.store import Database
from tests.fleet.builders import body, trust, vessel
from tests.provisioning.bundles import bundle


def own(name: str = "argo", *, fleet: str = "north") -> OwnIdentity:
    return OwnIdentity(FleetIdentity(name, fleet, vessel(name, fleet=fleet), trust(fleet=fleet)))


@pytest.fixture
def database(tmp_path: Path) -> Any:
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as opened:
        yield opened


def signers(database: Database, fleet: str = "north") -> list[str]:
    return [
        signing.signer(found.id, found.body, trust(fleet=fleet)) for found in database.documents("boot:argo:")
    ]


def test_boots_from_before_the_identity_are_signed_at_the_first_start_with_it(database: Database) -> None:
    for number in range(1, 40):
        document_id = f"boot:argo:abcdef:{number}"
        database.put(document_id, body(document_id, anchors=[[1.0, 2.5, "rtc", 0.5]]))
    database.put("boot:brigid:ghijkl:1", body("boot:brigid:ghijkl:1"))
    assert sign_earlier(database, "argo", own()) == 39
    assert signers(database) == ["argo"] * 39
    untouched = database.get("boot:brigid:ghijkl:1")
    assert untouched is not None
    assert not signing.is_signed(untouched.body)


def test_unsigned_boots_are_searched_for_once_and_again_after_a_start_without_identity(
    database: Database,
) -> None:
    database.put("boot:argo:abcdef:1", body("boot:argo:abcdef:1"))
    assert sign_earlier(database, "argo", own()) == 1
    database.put("boot:argo:abcdef:2", body("boot:argo:abcdef:2"))
    assert sign_earlier(database, "argo", own()) == 0  # no search is made
    assert sign_earlier(database, "argo", NONE) == 0
    assert sign_earlier(database, "argo", own()) == 1


def test_boots_are_signed_again_when_the_vessel_joins_another_fleet(database: Database) -> None:
    database.put("boot:argo:abcdef:1", body("boot:argo:abcdef:1"))
    sign_earlier(database, "argo", own())
    assert sign_earlier(database, "argo", own(fleet="south")) == 1
    assert signers(database, "south") == ["argo"]


def test_missing_identity_folder_is_not_a_fault(tmp_path: Path) -> None:
    assert boot_signing.load(tmp_path / "identity", "argo") == NONE
    (tmp_path / "identity").mkdir()
    assert boot_signing.load(tmp_path / "identity", "argo") == NONE


def test_damaged_identity_is_a_fault_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "vessel.pem").write_text("rubbish")
    found = boot_signing.load(tmp_path, "argo")
    assert (found.identity, found.sign, found.fleet) == (None, None, None)
    assert "copy the vessel's identity folder again" in (found.fault or "")
    file = tmp_path / "vessel.pem"
    assert boot_signing.load(file, "argo").fault is not None


IDENTITY_FILES = ("vessel.pem", "vessel.key", "fleet.pem", "revocations.json")


@settings(max_examples=40)
@given(st.sampled_from(IDENTITY_FILES), st.binary(max_size=200))
@example("revocations.json", b'{"a":' * 100_000)
@example("revocations.json", b'{"number": 1e999}')
@example("vessel.pem", b"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
def test_recording_continues_with_any_identity_file(name: str, content: bytes) -> None:
    with TemporaryDirectory() as place:
        folder = Path(place)
        for each in IDENTITY_FILES:
            (folder / each).write_bytes(bundle()[f"identity/{each}"])
            (folder / each).chmod(0o600)
        assert boot_signing.load(folder, "argo").fault is None
        (folder / name).write_bytes(content)
        found = boot_signing.load(folder, "argo")
    assert found.fault is not None
    assert found.identity is None
    assert "copy the vessel's identity folder again" in found.fault
