"""A fleet's folder is packed into one encrypted file, and is restored from that file."""

import shutil
import tarfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

from provisioning import backup
from provisioning.errors import FolderError, PassphraseError
from provisioning.folder import FleetFolder

from .bundles import PASSPHRASE

NOW = datetime(2026, 5, 1, tzinfo=UTC)
SALT, NONCE = bytes(range(16)), bytes(range(12))


@pytest.fixture(scope="module")
def north(tmp_path_factory: pytest.TempPathFactory) -> FleetFolder:
    place = tmp_path_factory.mktemp("operator")
    made = FleetFolder.create(place / "north", fleet="north", passphrase=PASSPHRASE, now=NOW)
    made.add(made.unlock(PASSPHRASE), "argo", now=NOW)
    (made.place("argo") / "office.password").write_text("much too secret\n")
    return made


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    return {
        str(path.relative_to(folder)): (path.stat().st_mode & 0o777, path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def packed(north: FleetFolder) -> bytes:
    return pack(north)


def pack(folder: FleetFolder) -> bytes:
    return backup.pack(folder, PASSPHRASE, salt=SALT, nonce=NONCE)


def test_restored_folder_equals_the_original(north: FleetFolder, packed: bytes, tmp_path: Path) -> None:
    again = backup.restore(packed, PASSPHRASE, tmp_path / "again", source="north.backup")
    assert contents(again.path) == contents(north.path)
    again.add(again.unlock(PASSPHRASE), "brigid", now=NOW)


def test_backup_reveals_nothing_of_its_content(packed: bytes) -> None:
    for part in (b"argo", b"secret", b"PRIVATE KEY", b"\xfd7zXZ", b"ustar"):
        assert part not in packed


def test_wrong_passphrase_is_refused(north: FleetFolder, packed: bytes, tmp_path: Path) -> None:
    with pytest.raises(PassphraseError):
        backup.pack(north, "another one, long", salt=SALT, nonce=NONCE)
    with pytest.raises(
        PassphraseError, match=r"north\.backup: the passphrase is wrong, or the file is damaged"
    ):
        backup.restore(packed, "another one, long", tmp_path / "again", source="north.backup")
    assert not (tmp_path / "again").exists()


@pytest.mark.parametrize("harm", [-1, len(backup.HEAD), len(backup.HEAD) + 20, len(backup.HEAD) + 60])
def test_one_changed_byte_is_detected(packed: bytes, tmp_path: Path, harm: int) -> None:
    content = bytearray(packed)
    content[harm] ^= 1
    with pytest.raises(PassphraseError, match="damaged"):
        backup.restore(bytes(content), PASSPHRASE, tmp_path / "again", source="b")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("length", [0, 10, len(backup.HEAD), len(backup.HEAD) + 5, len(backup.HEAD) + 40])
def test_truncated_file_and_file_that_is_not_a_backup_are_reported(
    packed: bytes, tmp_path: Path, length: int
) -> None:
    with pytest.raises((FolderError, PassphraseError), match="b: "):
        backup.restore(packed[:length], PASSPHRASE, tmp_path / "again", source="b")
    with pytest.raises(FolderError, match="newer"):
        backup.restore(b"logboat fleet backup 2\n", PASSPHRASE, tmp_path / "again", source="b")


def test_existing_files_are_not_overwritten(north: FleetFolder, packed: bytes) -> None:
    before = contents(north.path)
    with pytest.raises(FolderError, match="not an empty folder"):
        backup.restore(packed, PASSPHRASE, north.path, source="b")
    assert contents(north.path) == before


def test_links_and_remains_of_a_killed_command_are_not_packed(north: FleetFolder, tmp_path: Path) -> None:
    folder = FleetFolder(Path(shutil.copytree(north.path, tmp_path / "north")))
    (folder.path / "vessels/.brigid.x").mkdir()
    (folder.path / "vessels/.brigid.x/vessel.key").write_text("half")
    (folder.path / "link").symlink_to("/etc/passwd")
    again = backup.restore(pack(folder), PASSPHRASE, tmp_path / "again", source="b")
    assert contents(again.path) == contents(north.path)


def test_a_backup_does_not_write_outside_its_folder(tmp_path: Path) -> None:
    """A backup may be malicious even if its author knows the passphrase."""
    evil = tmp_path / "evil.tar.xz"
    (tmp_path / "file").write_text("x")
    with tarfile.open(evil, "w:xz") as tar:
        tar.add(tmp_path / "file", arcname="../../escaped")
    sealed = backup.seal(evil.read_bytes(), PASSPHRASE, salt=SALT, nonce=NONCE)
    with pytest.raises(FolderError, match=r"b: .*outside"):
        backup.restore(sealed, PASSPHRASE, tmp_path / "again", source="b")
    assert not (tmp_path.parent / "escaped").exists()
