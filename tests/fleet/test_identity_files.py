"""A vessel's identity folder is either loaded or rejected with an error message that says what to do."""

import grp
import json
from pathlib import Path

import pytest

from sync.fleet import identity_files
from sync.fleet.errors import IdentityError, NoIdentityError
from sync.fleet.identity_files import load
from sync.fleet.revocations import to_body
from sync.net.tls_identity import TLSIdentity
from tests.net.certificates import NOW, self_signed

from .builders import authority, revoked, vessel


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an identity folder of the vessel brigid, with a revocation of the vessel argo."""
    folder = tmp_path / "identity"
    folder.mkdir()
    ca = authority()
    vessel("brigid").save(folder / "vessel.pem", folder / "vessel.key")
    TLSIdentity((ca.certificate,), ca.key).save(folder / "fleet.pem", tmp_path / "fleet.key")
    body = to_body(revoked(vessel("argo").certificate, number=2), fleet="north", key=ca.key)
    (folder / "revocations.json").write_text(json.dumps(body))
    return folder


def test_identity_is_loaded_from_its_folder(folder: Path) -> None:
    identity = load(folder)
    assert (identity.vessel, identity.fleet) == ("brigid", "north")
    assert identity.tls.certificates == vessel("brigid").certificates
    assert identity.trust.revocations.number == 2
    assert identity.trust.objection(identity.tls.certificate, NOW) is None
    assert "revoked" in (identity.trust.objection(vessel("argo").certificate, NOW) or "")


def test_missing_folder_means_that_there_is_no_identity_yet(tmp_path: Path) -> None:
    for missing in (tmp_path / "identity", tmp_path):
        with pytest.raises(NoIdentityError, match="logboat fleet add"):
            load(missing)


@pytest.mark.parametrize("name", ["vessel.pem", "vessel.key", "fleet.pem", "revocations.json"])
@pytest.mark.parametrize("content", [None, b"", b"\xff\x00{}", b"{}"])
def test_missing_or_damaged_file_is_refused(folder: Path, name: str, content: bytes | None) -> None:
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    with pytest.raises(IdentityError, match=f"{name}.*; copy the vessel's identity folder again"):
        load(folder)


def test_files_of_two_identities_are_refused(folder: Path) -> None:
    key = (folder / "vessel.key").read_bytes()
    (folder / "vessel.key").write_bytes(vessel("argo").key_pem())
    with pytest.raises(IdentityError, match="does not match the first certificate"):
        load(folder)
    (folder / "vessel.key").write_bytes(key)
    (folder / "fleet.pem").write_bytes(
        TLSIdentity((authority("south").certificate,), authority("south").key).chain_pem()
    )
    with pytest.raises(IdentityError, match="not signed by the fleet's CA"):
        load(folder)


@pytest.mark.parametrize(
    ("identity", "why"),
    [
        (self_signed(), "names no vessel"),
        (vessel("brigid", fleet="south"), "not issued by .*fleet.pem"),
    ],
)
def test_certificate_must_be_issued_by_the_fleet(folder: Path, identity: TLSIdentity, why: str) -> None:
    identity.save(folder / "vessel.pem", folder / "vessel.key")
    with pytest.raises(IdentityError, match=why):
        load(folder)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o606, 0o644])
def test_a_key_that_others_may_read_is_refused(folder: Path, mode: int) -> None:
    (folder / "vessel.key").chmod(mode)
    with pytest.raises(IdentityError, match=f"mode 0{mode:o}.*chmod 600"):
        load(folder)


def test_the_daemons_group_may_read_the_key(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = grp.getgrgid((folder / "vessel.key").stat().st_gid).gr_name
    monkeypatch.setattr(identity_files, "GROUP", ours)
    (folder / "vessel.key").chmod(0o640)
    assert load(folder).vessel == "brigid"
    (folder / "vessel.key").chmod(0o644)
    with pytest.raises(IdentityError):
        load(folder)
