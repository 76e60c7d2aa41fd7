"""The folder with an appliance's identity as a vessel of its fleet: `/etc/logboat/identity/`.

    vessel.pem          the vessel's certificate
    vessel.key          the certificate's private key, which must stay secret
    fleet.pem           the fleet's own certificate
    revocations.json    the fleet CA's last statement about revoked certificates
    radio-key.json      the fleet CA's last statement about the radio key; missing if the key never changed

The CA's folder on the operator's machine contains such a folder for each vessel. It is copied to the vessel
unchanged.
"""

import errno
import grp
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from sync.fleet import trust as trusting
from sync.fleet.errors import IdentityError, NoIdentityError, RadioKeyError, RevocationsError
from sync.fleet.identity_names import (
    FLEET_CERTIFICATE,
    GROUP,
    RADIO_STATEMENT,
    REVOCATIONS,
    VESSEL_CERTIFICATE,
    VESSEL_KEY,
)
from sync.fleet.radio_key import RadioKey
from sync.fleet.radio_key import from_body as radio_key_from_body
from sync.fleet.revocations import Revocations, from_body
from sync.fleet.trust import FleetTrust
from sync.net import certificates
from sync.net.tls_identity import TLSIdentity
from sync.peer.problems import ProblemError

_AGAIN: Final = "copy the vessel's identity folder again from the fleet's folder"
_RADIO_AGAIN: Final = f"copy {RADIO_STATEMENT} again from the fleet's folder"
_LONGEST_STATEMENT: Final = 400_000
"""Maximum size, in bytes, of a file with a CA statement.

Without indentation, such a document has at most 256 kB.
"""


@dataclass(frozen=True, slots=True)
class FleetIdentity:
    """Identity of a vessel, as read from its files."""

    vessel: str
    fleet: str
    tls: TLSIdentity
    trust: FleetTrust
    """The fleet's CA certificate, with the revocations from the files.

    The store may contain newer revocations (see `sync.fleet.effective_trust`).
    """
    statement: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The `fleet:revocations` document, as read from its file."""


def load(folder: Path) -> FleetIdentity:
    """Load a vessel's identity from a folder.

    Dates and revocations are not checked: `identity.trust.objection(identity.tls.certificate, now)` does
    that. Raises NoIdentityError if the folder is missing or empty. If a file cannot be used, raises
    IdentityError, whose message names the file and the remedy.
    """
    try:
        if not any(folder.iterdir()):
            raise FileNotFoundError
    except FileNotFoundError:
        text = (
            f"{folder}: there is no identity; create one with `logboat fleet add` on the operator's machine"
        )
        raise NoIdentityError(text) from None
    except OSError as error:
        text = f"{folder}: cannot be read: {error.strerror}; make it a folder that user logboat can read"
        raise IdentityError(text) from error
    identity = _identity(folder / VESSEL_CERTIFICATE, folder / VESSEL_KEY)
    path = folder / VESSEL_CERTIFICATE
    name = trusting.vessel_name_in(identity.certificate)
    if name is None:
        text = f"{path}: the certificate names no vessel (a URI logboat:<fleet>:<vessel>); {_AGAIN}"
        raise IdentityError(text)
    root = load_root(folder / FLEET_CERTIFICATE)
    statement, revocations = _stated(folder / REVOCATIONS, root)
    trust = FleetTrust(root, name.fleet, revocations)
    if not trust.is_issued(identity.certificate):
        text = f"{path}: the certificate was not issued by {folder / FLEET_CERTIFICATE}; {_AGAIN}"
        raise IdentityError(text)
    return FleetIdentity(name.vessel, name.fleet, identity, trust, statement)


def load_root(path: Path) -> x509.Certificate:
    """Load a fleet's own certificate. Raises IdentityError if it is missing or invalid."""
    try:
        [root, *_] = certificates.load_certificates(path)
        certificates.check_self_signed(root)
    except ProblemError as error:
        text = f"{path}: {error.problem.text}; {_AGAIN}"
        raise IdentityError(text) from error
    return root


def load_revocations(path: Path, root: x509.Certificate) -> Revocations:
    """Load the CA's latest statement about revoked certificates from a file.

    Raises IdentityError if this fails.
    """
    return _stated(path, root)[1]


def load_radio_key(folder: Path, root: x509.Certificate) -> tuple[dict[str, Any], RadioKey] | None:
    """Load the `fleet:radio-key` document from a folder.

    Return the body and the parsed content of the document, or None if there is no such document.

    The folder may belong to another user, so only a regular file of limited size is read. Raises
    IdentityError if the file is invalid.
    """
    path = folder / RADIO_STATEMENT
    try:
        body: dict[str, Any] = msgspec.json.decode(_content(path), type=dict[str, Any])
        return body, radio_key_from_body(body, root)
    except FileNotFoundError:
        return None
    except OSError as error:
        text = f"{path}: cannot be read: {error.strerror}; {_RADIO_AGAIN}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = f"{path}: the content is not JSON: {error}; {_RADIO_AGAIN}"
    except RadioKeyError as error:
        text = f"{path}: {error}; {_RADIO_AGAIN}"
    raise IdentityError(text)


def _content(path: Path) -> bytes:
    """Return the content of a regular file.

    Raises OSError if the path is not a regular file, or if the file is too large or unreadable.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        if state.st_size > _LONGEST_STATEMENT:
            raise OSError(errno.EFBIG, f"larger than {_LONGEST_STATEMENT} bytes", str(path))
        return file.read(_LONGEST_STATEMENT)


def _stated(path: Path, root: x509.Certificate) -> tuple[dict[str, Any], Revocations]:
    try:
        body: dict[str, Any] = msgspec.json.decode(path.read_bytes(), type=dict[str, Any])
        return body, from_body(body, root)
    except OSError as error:
        text = f"{path}: cannot be read: {error.strerror}; {_AGAIN}"
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        text = f"{path}: the content is not JSON: {error}; {_AGAIN}"
    except RevocationsError as error:
        text = f"{path}: {error}; {_AGAIN}"
    raise IdentityError(text)


def _identity(certificate: Path, key: Path) -> TLSIdentity:
    _check_private(key)
    try:
        identity = TLSIdentity.load(certificate, key)
    except ProblemError as error:
        text = f"{error.problem.text}; {_AGAIN}"
        raise IdentityError(text) from error
    if not isinstance(identity.private_key, ec.EllipticCurvePrivateKey):
        text = f"{key}: the key is not an ECDSA key; {_AGAIN}"
        raise IdentityError(text)
    return identity


def _check_private(key: Path) -> None:
    """Raise IdentityError if anyone except the owner and the daemons' group can access the private key."""
    try:
        status = key.stat()
    except OSError as error:
        text = f"{key}: cannot be read: {error.strerror}; {_AGAIN}"
        raise IdentityError(text) from error
    others = stat.S_IRWXO if status.st_gid == _group() else stat.S_IRWXO | stat.S_IRWXG
    if status.st_mode & others:
        text = (
            f"{key}: other users can access this private key (mode {stat.S_IMODE(status.st_mode):04o});"
            f" run chmod 600 {key}, and if it may have been read, run `logboat fleet revoke` and"
            " `logboat fleet renew`"
        )
        raise IdentityError(text)


def _group() -> int | None:
    try:
        return grp.getgrnam(GROUP).gr_gid
    except KeyError:
        return None
