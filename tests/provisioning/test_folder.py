"""A fleet's folder is consistent after each command, even an interrupted one, and no file is overwritten."""

import fcntl
import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from provisioning import files
from provisioning.authority import Authority
from provisioning.errors import FolderError, PassphraseError, UnknownVesselError
from provisioning.folder import FleetFolder
from services.config.loader import load as load_configuration
from sync.fleet import identity_files
from sync.fleet.errors import FleetNameError
from sync.fleet.radio_key import RadioPasswords, open_passwords
from tests.net.certificates import NOW

PASSPHRASE = "four words and more"


@pytest.fixture
def folder(tmp_path: Path) -> FleetFolder:
    """Return the folder of a new fleet `north`, which has no vessels yet."""
    return FleetFolder.create(tmp_path / "north", fleet="north", passphrase=PASSPHRASE, now=NOW)


@pytest.fixture
def authority(folder: FleetFolder) -> Authority:
    return folder.unlock(PASSPHRASE)


def everything(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def test_appliance_can_load_an_identity(folder: FleetFolder, authority: Authority) -> None:
    folder.add(authority, "argo", now=NOW)
    identity = identity_files.load(folder.identity("argo"))
    assert (identity.vessel, identity.fleet) == ("argo", "north")
    assert identity.trust.objection(identity.tls.certificate, NOW) is None
    assert sorted(path.name for path in folder.identity("argo").iterdir()) == [
        "fleet.pem",
        "radio.key",
        "revocations.json",
        "vessel.key",
        "vessel.pem",
    ]


def test_keys_are_readable_only_by_their_owner(folder: FleetFolder, authority: Authority) -> None:
    folder.add(authority, "argo", now=NOW)
    assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    for key in folder.path.rglob("*.key"):
        assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_configuration_starts_with_the_known_facts_about_the_vessel(
    folder: FleetFolder, authority: Authority
) -> None:
    name = 'SY "Argo" \\ é'
    vessel = folder.add(authority, "argo", now=NOW, name=name, mmsi=211_234_560)
    assert (vessel.name, vessel.mmsi) == (name, 211_234_560)
    configured = load_configuration(folder.path / "vessels/argo/vessel.toml").vessel
    assert (configured.id, configured.name, configured.mmsi) == ("argo", name, 211_234_560)
    assert folder.add(authority, "brigid", now=NOW).name == "brigid"


def test_nothing_is_overwritten(folder: FleetFolder, authority: Authority) -> None:
    folder.add(authority, "argo", now=NOW)
    before = everything(folder.path)
    with pytest.raises(FolderError, match="already belongs to fleet 'north'"):
        folder.add(authority, "argo", now=NOW)
    with pytest.raises(FolderError, match="not an empty folder"):
        FleetFolder.create(folder.path, fleet="south", passphrase=PASSPHRASE, now=NOW)
    assert everything(folder.path) == before


def test_folder_is_created_completely_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(PassphraseError):
        FleetFolder.create(tmp_path / "north", fleet="north", passphrase="short", now=NOW)
    with pytest.raises(FleetNameError):
        FleetFolder.create(tmp_path / "north", fleet="North", passphrase=PASSPHRASE, now=NOW)
    assert not list(tmp_path.iterdir())
    (tmp_path / "empty").mkdir()
    FleetFolder.create(tmp_path / "empty", fleet="north", passphrase=PASSPHRASE, now=NOW)


def test_folder_of_something_else_is_reported(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing"):
        with pytest.raises(FolderError, match="logboat fleet init"):
            FleetFolder(path)


def test_renewal_creates_a_new_key_and_certificate(folder: FleetFolder, authority: Authority) -> None:
    folder.add(authority, "argo", now=NOW)
    before = identity_files.load(folder.identity("argo"))
    later = NOW + timedelta(days=1000)
    vessel = folder.renew(authority, "argo", now=later)
    after = identity_files.load(folder.identity("argo"))
    assert after.tls.not_after - before.tls.not_after == timedelta(days=1000)
    assert after.tls.key_pem() != before.tls.key_pem()
    assert [issued.is_current for issued in vessel.issued] == [True, False]
    with pytest.raises(UnknownVesselError, match="no vessel 'brigid'; its vessels: argo"):
        folder.renew(authority, "brigid", now=later)


def test_revocation_is_written_to_every_vessels_folder(folder: FleetFolder, authority: Authority) -> None:
    for vessel in ("argo", "brigid"):
        folder.add(authority, vessel, now=NOW)
    folder.renew(authority, "argo", now=NOW + timedelta(days=1))
    added = folder.revoke(authority, "argo", now=NOW, reason="stolen")
    assert len(added) == 2
    argo, brigid = (identity_files.load(folder.identity(vessel)) for vessel in ("argo", "brigid"))
    assert brigid.trust.revocations == argo.trust.revocations == folder.revocations
    assert brigid.trust.revocations.number == 1
    assert brigid.trust.objection(argo.tls.certificate, NOW) == (
        "the certificate of argo was revoked on 2026-05-01 (stolen)"
    )
    assert brigid.trust.objection(brigid.tls.certificate, NOW) is None
    with pytest.raises(FolderError, match="already revoked"):
        folder.revoke(authority, "argo", now=NOW)


def test_files_of_other_programs_among_the_vessels_do_not_stop_a_revocation(
    folder: FleetFolder, authority: Authority
) -> None:
    for vessel in ("argo", "brigid"):
        folder.add(authority, vessel, now=NOW)
    for name in ("Thumbs.db", "desktop.ini", "argo.zip"):
        (folder.path / "vessels" / name).write_bytes(b"?")
    assert [vessel.id for vessel in folder.vessels()] == ["argo", "brigid"]
    folder.revoke(authority, "argo", now=NOW)
    assert identity_files.load(folder.identity("brigid")).trust.revocations.number == 1
    assert (folder.path / "vessels" / "Thumbs.db").exists()


def test_revoked_vessel_can_get_a_new_certificate(folder: FleetFolder, authority: Authority) -> None:
    folder.add(authority, "argo", now=NOW)
    folder.revoke(authority, "argo", now=NOW)
    folder.renew(authority, "argo", now=NOW)
    identity = identity_files.load(folder.identity("argo"))
    assert identity.trust.objection(identity.tls.certificate, NOW) is None
    folder.revoke(authority, "argo", now=NOW)
    assert (folder.revocations.number, len(folder.revocations.entries)) == (2, 2)


def radio_key(folder: FleetFolder, vessel: str) -> bytes:
    return (folder.identity(vessel) / "radio.key").read_bytes()


def test_new_radio_key_is_for_all_but_revoked_vessels(folder: FleetFolder, authority: Authority) -> None:
    for vessel in ("argo", "brigid", "careen"):
        folder.add(authority, vessel, now=NOW)
    before = radio_key(folder, "argo")
    folder.revoke(authority, "careen", now=NOW)
    told = folder.change_radio_key(authority, now=NOW, begins=NOW)
    assert told == (["argo", "brigid"], ["careen"])
    after = radio_key(folder, "argo")
    assert after != before
    assert radio_key(folder, "brigid") == after == (folder.path / "radio.key").read_bytes()
    assert radio_key(folder, "careen") == before
    assert (folder.identity("argo") / "radio.key").stat().st_mode & 0o777 == 0o600
    folder.add(authority, "dorothea", now=NOW)
    folder.prepare_radio()
    assert radio_key(folder, "dorothea") == after
    assert radio_key(folder, "careen") == before, "no later command gives it away"
    folder.renew(authority, "careen", now=NOW)
    assert radio_key(folder, "careen") == after, "with its new certificate it is of the fleet again"


def sealed_for(folder: FleetFolder, vessel: str) -> RadioPasswords | None:
    """Return the radio keys that a vessel can decrypt with its identity, or None if there are none."""
    identity = identity_files.load(folder.identity(vessel))
    found = identity_files.load_radio_key(folder.identity(vessel), folder.root)
    if found is None:
        return None
    return open_passwords(found[1], identity.tls, vessel=vessel, fleet="north")


def test_later_radio_key_is_sealed_for_current_and_added_vessels_but_not_for_revoked_ones(
    folder: FleetFolder, authority: Authority
) -> None:
    for vessel in ("argo", "brigid", "careen"):
        folder.add(authority, vessel, now=NOW)
    assert sealed_for(folder, "argo") is None
    assert folder.radio_key is None
    before = radio_key(folder, "argo")
    folder.revoke(authority, "careen", now=NOW)
    later = NOW + timedelta(days=14)
    folder.change_radio_key(authority, now=NOW, begins=later)
    assert radio_key(folder, "argo") == before == (folder.path / "radio.key").read_bytes()
    keys = sealed_for(folder, "argo")
    assert keys is not None
    assert keys.before == before.decode().strip() != keys.after
    assert sealed_for(folder, "brigid") == keys
    assert sealed_for(folder, "careen") is None
    assert folder.radio_key is not None
    assert (folder.radio_key.number, folder.radio_key.begins) == (1, later)
    assert {part.vessel for part in folder.radio_key.parts} == {"argo", "brigid"}
    [secret] = folder.path.glob("radio-*.key")
    assert (secret.name, stat.S_IMODE(secret.stat().st_mode)) == ("radio-1.key", 0o600)
    assert not [path for path in folder.path.rglob("vessels/**/*") if path.name == secret.name]

    folder.add(authority, "dorothea", now=NOW + timedelta(days=7))
    folder.renew(authority, "careen", now=NOW + timedelta(days=7))
    assert radio_key(folder, "dorothea") == before
    for vessel in ("argo", "brigid", "careen", "dorothea"):
        assert sealed_for(folder, vessel) == keys
    assert (folder.radio_key.number, folder.radio_key.begins) == (3, later)

    folder.prepare_radio(later)
    assert radio_key(folder, "dorothea").decode().strip() == keys.after
    folder.change_radio_key(authority, now=later, begins=later + timedelta(days=14))
    again = sealed_for(folder, "argo")
    assert again is not None
    assert again.before == keys.after != again.after


def test_unused_radio_key_is_skipped_by_the_next_one(folder: FleetFolder, authority: Authority) -> None:
    """A vessel that already has the next radio key is stolen before that key takes effect."""
    for vessel in ("argo", "brigid"):
        folder.add(authority, vessel, now=NOW)
    before = radio_key(folder, "argo").decode().strip()
    folder.change_radio_key(authority, now=NOW, begins=NOW + timedelta(days=14))
    first = sealed_for(folder, "argo")
    folder.revoke(authority, "brigid", now=NOW + timedelta(days=7))
    folder.change_radio_key(authority, now=NOW + timedelta(days=7), begins=NOW + timedelta(days=21))
    second = sealed_for(folder, "argo")
    assert first is not None
    assert second is not None
    assert first.before == second.before == before
    assert second.after not in (before, first.after)
    assert sealed_for(folder, "brigid") is None


def test_renewed_vessel_with_its_old_card_can_still_open_its_part(
    folder: FleetFolder, authority: Authority
) -> None:
    folder.add(authority, "argo", now=NOW)
    old = identity_files.load(folder.identity("argo"))
    folder.renew(authority, "argo", now=NOW)
    folder.change_radio_key(authority, now=NOW, begins=NOW)
    stated = folder.radio_key
    assert stated is not None
    keys = open_passwords(stated, old.tls, vessel="argo", fleet="north")
    assert keys == sealed_for(folder, "argo")
    folder.revoke(authority, "argo", now=NOW)
    folder.renew(authority, "argo", now=NOW)
    stated = folder.radio_key
    assert stated is not None
    assert open_passwords(stated, old.tls, vessel="argo", fleet="north") is None, (
        "a revoked certificate gets no part"
    )


@pytest.mark.parametrize("command", ["add", "renew", "revoke", "rekey"])
def test_interrupted_command_leaves_a_complete_folder(
    folder: FleetFolder, authority: Authority, command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each write fails in turn, as if the machine had stopped at that point."""
    folder.add(authority, "argo", now=NOW)
    folder.add(authority, "brigid", now=NOW)
    write = files.write

    def run() -> None:
        if command == "add":
            folder.add(authority, "careen", now=NOW)
        elif command == "renew":
            folder.renew(authority, "argo", now=NOW)
        elif command == "rekey":
            folder.change_radio_key(authority, now=NOW, begins=NOW + timedelta(days=14))
        else:
            folder.revoke(authority, "argo", now=NOW)

    for writes in range(20):
        left = writes

        def failing(path: Path, content: bytes, *, mode: int = files.PUBLIC) -> None:
            nonlocal left
            if left == 0:
                raise KeyboardInterrupt
            left -= 1
            write(path, content, mode=mode)

        monkeypatch.setattr(files, "write", failing)
        try:
            run()
        except KeyboardInterrupt:
            continue
        except FolderError as error:
            assert "already" in str(error)  # noqa: PT017  # the interrupted command had done everything but copying
        finally:
            monkeypatch.setattr(files, "write", write)
            for vessel in folder.vessels():
                identity_files.load(folder.identity(vessel.id))
        break
    assert writes > 1
    folder.renew(authority, "brigid", now=NOW)
    for vessel in folder.vessels():
        found = identity_files.load(folder.identity(vessel.id))
        assert found.trust.revocations == folder.revocations
        assert vessel.current is not None
        assert (command == "rekey") == (sealed_for(folder, vessel.id) is not None)
    assert len(list(folder.path.glob("radio-*.key"))) == (command == "rekey")
    assert not [path for path in folder.path.rglob(".*") if path.is_dir()]


def test_interrupted_replacement_of_an_identity_is_completed(
    folder: FleetFolder, authority: Authority
) -> None:
    folder.add(authority, "argo", now=NOW)
    folder.identity("argo").rename(folder.path / "vessels/argo/.identity.new")
    folder.add(authority, "brigid", now=NOW)
    assert identity_files.load(folder.identity("argo")).vessel == "argo"


def test_second_command_at_the_same_time_is_refused(folder: FleetFolder, authority: Authority) -> None:
    descriptor = os.open(folder.path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    with pytest.raises(FolderError, match="another `logboat fleet` command is changing the folder"):
        folder.add(authority, "argo", now=NOW)
    os.close(descriptor)
    folder.add(authority, "argo", now=NOW)


def test_damaged_files_are_named(folder: FleetFolder, authority: Authority) -> None:
    folder.add(authority, "argo", now=NOW)
    (folder.path / "revocations.json").write_text("{}")
    with pytest.raises(FolderError, match=r"revocations\.json.*not signed"):
        folder.vessels()
