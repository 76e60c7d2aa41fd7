"""Backs up a fleet's folder to one file, which is encrypted with the passphrase of the root key.

The file begins with the line `logboat fleet backup 1`, 16 bytes of salt and 12 bytes of nonce. A tar file
(xz) follows, encrypted with AES-256-GCM (NIST SP 800-38D), which authenticates the first line too. The key is
derived from the passphrase by scrypt (RFC 7914; n 2^17, r 8, p 1). Each attempt to guess the passphrase costs
128 MiB and a fraction of a second.
"""

import io
import shutil
import tarfile
import tempfile
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from sync.folders import OWN, make_folder

from . import files
from .errors import FolderError, PassphraseError
from .folder import FleetFolder, check_free

HEAD: Final = b"logboat fleet backup 1\n"
_FAMILY: Final = b"logboat fleet backup "
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 12


def pack(folder: FleetFolder, passphrase: str, *, salt: bytes, nonce: bytes) -> bytes:
    """Return an encrypted backup of a fleet's folder. `salt` and `nonce` must be random and never reused.

    The passphrase must be that of the root key, so that an operator has to remember only one passphrase.
    Raises PassphraseError if it is a different passphrase. Also raises FolderError and OSError.
    """
    folder.unlock(passphrase)
    packed = io.BytesIO()
    with folder.alone(), tarfile.open(fileobj=packed, mode="w:xz") as tar:
        tar.add(folder.path, arcname=".", filter=_plain)
    return seal(packed.getvalue(), passphrase, salt=salt, nonce=nonce)


def seal(packed: bytes, passphrase: str, *, salt: bytes, nonce: bytes) -> bytes:
    """Encrypt `packed`, the content of a tar file, and return the content of the backup file."""
    return HEAD + salt + nonce + AESGCM(_key(passphrase, salt)).encrypt(nonce, packed, HEAD)


def restore(content: bytes, passphrase: str, path: Path, *, source: str) -> FleetFolder:
    """Restore a fleet's folder to a path that does not exist or is an empty folder.

    The folder is restored completely or not at all. `source` is the name of the backup file, for use in
    messages. Raises PassphraseError if the passphrase is wrong. Also raises FolderError and OSError.
    """
    check_free(path)
    packed = _unlocked(content, passphrase, source)
    parent = path.resolve().parent
    make_folder(parent, OWN)
    unpacked = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=parent))
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:xz") as tar:
            tar.extractall(unpacked, filter="data")
        FleetFolder(unpacked)
        files.rename(unpacked, path)
    except tarfile.TarError as error:
        text = f"{source}: {error}"
        raise FolderError(text) from error
    finally:
        shutil.rmtree(unpacked, ignore_errors=True)
    return FleetFolder(path)


def _unlocked(content: bytes, passphrase: str, source: str) -> bytes:
    if not content.startswith(HEAD):
        what = (
            "the backup is from a newer version; update logboat"
            if content.startswith(_FAMILY)
            else ("the file is not a backup of a fleet")
        )
        text = f"{source}: {what}"
        raise FolderError(text)
    salt, rest = _cut(content[len(HEAD) :], SALT_BYTES)
    nonce, sealed = _cut(rest, NONCE_BYTES)
    try:
        return AESGCM(_key(passphrase, salt)).decrypt(nonce, sealed, HEAD)
    except (InvalidTag, ValueError):
        text = f"{source}: the passphrase is wrong, or the file is damaged; try again, or use another backup"
        raise PassphraseError(text) from None


def _cut(content: bytes, size: int) -> tuple[bytes, bytes]:
    return content[:size], content[size:]


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**17, r=8, p=1).derive(passphrase.encode())


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Remove the owner from a tar entry and return the entry, or return None to omit the entry.

    Entries that are neither files nor folders are omitted, and so are temporary files that a killed command
    left behind.
    """
    if not (member.isfile() or member.isdir()) or Path(member.name).name.startswith("."):
        return member if member.name == "." else None
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return member
