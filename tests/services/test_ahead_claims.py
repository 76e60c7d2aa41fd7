"""A peer's claim to have later samples of this vessel's log is checked once, and no connection is closed."""

from functools import partial
from pathlib import Path

import pytest

from services.journal import number_witness
from services.state import peer_ahead
from services.syncd.ahead_claims import check_claim
from sync import documents
from sync.fleet.rights import Claim
from sync.mesh.duplicate_identities import DuplicateIdentities
from sync.store import Database, StoreError

LOG = "abcdef"


def reading(number: int, sensor: str = "rpm") -> Claim:
    return Claim(log=LOG, sensor=sensor, number=number)


def test_known_claim_is_not_checked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clones = DuplicateIdentities("argo", "b1")
    reads: list[Path] = []
    read = number_witness.read

    def counted(path: Path) -> number_witness.GivenNumbers | None:
        reads.append(path)
        return read(path)

    monkeypatch.setattr(number_witness, "read", counted)
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        check = partial(
            check_claim,
            vessel="argo",
            data=tmp_path,
            database=database,
            clones=clones,
            report=partial(clones.offered, now=1.0),
        )
        for number in (41, 40, 42):
            check(reading(number), "brigid")
        check(reading(9_999, "oil"), "brigid")
        assert len(reads) == 1
        assert [(found.sensor, found.number) for found in clones.ahead] == [("rpm", 42)]
        check(reading(43), "carina")
        check(Claim(log=LOG, number=9, is_signed=True), "brigid")
        assert len(reads) == 3
    note = peer_ahead.read(tmp_path, LOG)
    assert note is not None
    assert note.is_signed


def test_store_that_cannot_be_read_leaves_a_claim_unchecked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    clones = DuplicateIdentities("argo", "b1")
    database = Database.open(tmp_path / "log.db", policy=documents.POLICY)
    database.close()
    with pytest.raises(StoreError):
        database.get("any")
    check_claim(
        reading(41),
        "brigid",
        vessel="argo",
        data=tmp_path,
        database=database,
        clones=clones,
        report=partial(clones.offered, now=1.0),
    )
    assert clones.ahead == []
    assert "a claim by vessel brigid about log abcdef cannot be checked" in caplog.text
