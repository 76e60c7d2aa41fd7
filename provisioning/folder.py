"""A fleet's folder on the operator's machine: the authority, and every vessel's identity.

    fleet.pem                       the fleet's root certificate
    fleet.key                       its key, encrypted with the operator's passphrase
    revocations.json                the document fleet:revocations, as last signed
    radio.key                       the password of the radio between vessels, the same for all
    radio-key.json                  the document fleet:radio-key, as last signed, if the password ever changed
    radio-<number>.key              the password that the radio-key document with this number introduces
    vessels/<vessel>/
        vessel.toml                 its configuration: at first id, name, MMSI, and examples as comments
        certificates/<serial>.pem   every certificate that was issued to the vessel
        sensors.toml                its sensors: at first none, and examples as comments
        NAME.password, NAME.csv …   files to which the two configuration files refer
        identity/                   the content of /etc/logboat/identity/ on its appliance
        carded.json                 the certificate that was last written to a card, and when
    removed/<vessel>-<date>/        the files of a vessel that was removed: see `provisioning.removal`

If the folder is lost, the operator has to visit every vessel. So the folder must be backed up:
`provisioning.backup` packs it into an encrypted file. Anyone who copies the folder has all vessels' keys, but
cannot add a vessel without the passphrase. Every change is made completely or not at all, and no change
overwrites earlier files. Only one command at a time can change a folder.
"""

import fcntl
import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from sync.fleet import identity_files, names
from sync.fleet.errors import IdentityError
from sync.fleet.identity_names import (
    FLEET_CERTIFICATE,
    RADIO_STATEMENT,
    REVOCATIONS,
    VESSEL_CERTIFICATE,
    VESSEL_KEY,
)
from sync.fleet.radio_key import RadioKey, RadioPasswords
from sync.fleet.revocations import Revocations, Revoked, serial_text
from sync.folders import OWN, make_folder
from sync.net import certificates
from sync.net.tls_identity import TLSIdentity
from sync.peer.problems import ProblemError

from . import files, fleet_duplicates, starter_files
from .authority import ROOT_VALID, VESSEL_VALID, Authority, fleet_of
from .bundle.contents import RADIO_KEY
from .errors import FolderError, UnknownVesselError

ROOT_KEY: Final = "fleet.key"
VESSELS: Final = fleet_duplicates.VESSELS
IDENTITY: Final = "identity"
CERTIFICATES: Final = "certificates"
ABOUT: Final = starter_files.VESSEL
SENSORS: Final = starter_files.SENSORS
CARDED: Final = "carded.json"
UNWRITTEN: Final = "unwritten"
"""Key in `carded.json` for the serial number of a certificate whose card has not been written yet."""
_PREPARED: Final = ".identity.new"
_REPLACED: Final = ".identity.old"


@dataclass(frozen=True, slots=True)
class IssuedCertificate:
    """Certificate that was issued to a vessel, with its validity and its revocation, if any."""

    serial: str
    begins: datetime
    ends: datetime
    revoked: Revoked | None
    is_current: bool
    """True for the certificate that is in the vessel's identity folder."""


@dataclass(frozen=True, slots=True)
class EnrolledVessel:
    """A vessel of the fleet, as described by the fleet's folder."""

    id: str
    name: str
    mmsi: int | None
    issued: tuple[IssuedCertificate, ...]
    """Certificates of the vessel: first the current one, then all others, newest first."""
    has_readable_file: bool = True
    """False if the vessel's vessel.toml cannot be read, so that its name and MMSI are unknown."""
    fault: str | None = None
    """Reason why the vessel has no current certificate, if the file is missing or damaged; otherwise None."""

    @property
    def current(self) -> IssuedCertificate | None:
        """The current certificate, or None if someone has removed it from the vessel's folder."""
        return next((certificate for certificate in self.issued if certificate.is_current), None)


@dataclass(frozen=True, slots=True)
class WrittenCard:
    """Record that a card was written for a vessel."""

    serial: str
    """Serial number of the certificate on the card."""
    when: datetime
    where: str
    """Device or file to which the card was written."""


class FleetFolder:
    """The folder of one fleet.

    The message of a FolderError names the invalid file. Any method may raise OSError.
    """

    def __init__(self, path: Path) -> None:
        """Open the folder for reading; raise FolderError if it is not a fleet's folder."""
        self.path = path
        if not (path / FLEET_CERTIFICATE).is_file():
            text = f"{path}: this is not the folder of a fleet; create one with `logboat fleet init`"
            raise FolderError(text)
        try:
            self.root = identity_files.load_root(path / FLEET_CERTIFICATE)
        except IdentityError as error:
            raise FolderError(str(error)) from error
        self.fleet = fleet_of(self.root)

    @classmethod
    def create(
        cls, path: Path, *, fleet: str, passphrase: str, now: datetime, valid_for: timedelta = ROOT_VALID
    ) -> "FleetFolder":
        """Create a fleet's folder at a path that does not exist or is an empty folder.

        Raises FleetNameError, PassphraseError, FolderError.
        """
        check_free(path)
        authority = Authority.create(fleet, now=now, valid_for=valid_for)
        key = authority.key_pem(passphrase)
        radio = _radio_key()
        parent = path.resolve().parent
        make_folder(parent, OWN)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=parent))
        try:
            (temporary / VESSELS).mkdir(mode=files.FOLDER)
            files.write(temporary / ROOT_KEY, key, mode=files.SECRET)
            files.write(temporary / RADIO_KEY, radio, mode=files.SECRET)
            files.write(temporary / REVOCATIONS, _json(authority.state(Revocations(0, now))))
            files.write(temporary / FLEET_CERTIFICATE, _pem(authority.certificate))
            files.rename(temporary, path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        return cls(path)

    # Reading

    @property
    def revocations(self) -> Revocations:
        """The last signed list of revocations. Raises FolderError."""
        try:
            return identity_files.load_revocations(self.path / REVOCATIONS, self.root)
        except IdentityError as error:
            raise FolderError(str(error)) from error

    def vessels(self) -> list[EnrolledVessel]:
        """Return all vessels in order of their ids; raises FolderError."""
        revocations = self.revocations
        return [self._vessel(vessel, revocations) for vessel in self._ids()]

    def vessel(self, vessel: str) -> EnrolledVessel:
        """Return the vessel with this id; raises UnknownVesselError, FolderError."""
        return self._vessel(self._known(vessel), self.revocations)

    def identity(self, vessel: str) -> Path:
        """Return the folder that is copied to `/etc/logboat/identity/` on the vessel's appliance."""
        return self._at(vessel) / IDENTITY

    def check_new(self, vessel: str, *, name: str | None = None, mmsi: int | None = None) -> list[str]:
        """Raise FolderError if there is already a vessel with this id, name or MMSI.

        Returns the vessels whose name and MMSI are unknown, because their vessel.toml contains mistakes.
        """
        if self._at(vessel).exists():
            text = (
                f"{vessel} already belongs to fleet {self.fleet!r}; for a new identity, run `logboat"
                f" fleet renew {vessel}`"
            )
            raise FolderError(text)
        about = {"id": vessel, "name": name, "mmsi": mmsi}
        clashes, unread = fleet_duplicates.clashes(self.path, vessel, about)
        if clashes:
            text = "; ".join(clash.text for clash in clashes)
            raise FolderError(f"{vessel} was not added: {text}. {clashes[0].remedy}".removesuffix("."))
        return unread

    def unlock(self, passphrase: str) -> Authority:
        """Return the authority, with its key decrypted. Raises PassphraseError or FolderError."""
        return Authority.load(self.root, (self.path / ROOT_KEY).read_bytes(), passphrase)

    def place(self, vessel: str) -> Path:
        """Return the folder with a vessel's configuration and other files; raises UnknownVesselError."""
        return self._at(self._known(vessel))

    def carded(self, vessel: str) -> WrittenCard | None:
        """Return the record of the vessel's last card, or None if there is no readable record."""
        try:
            raw = self._carded(vessel)
            return WrittenCard(str(raw["serial"]), datetime.fromisoformat(raw["when"]), str(raw["where"]))
        except (ValueError, KeyError, TypeError):
            return None

    def unwritten(self, vessel: str) -> str | None:
        """Return the serial number of a certificate whose card was not completely written, or None."""
        serial = self._carded(vessel).get(UNWRITTEN)
        return serial if isinstance(serial, str) else None

    # Changing

    def note_unwritten(self, vessel: str, serial: str) -> None:
        """Record that a certificate was issued for a card that has not been written yet.

        `note_card` removes this record. Until then, another attempt can use the same certificate. Raises
        UnknownVesselError, FolderError.
        """
        with self.alone():
            body = {**self._carded(self._known(vessel)), UNWRITTEN: serial}
            files.write(self._at(vessel) / CARDED, _json(body))

    def note_card(self, vessel: str, card: WrittenCard) -> None:
        """Record that a card was written; raises UnknownVesselError, FolderError."""
        with self.alone():
            body = {"serial": card.serial, "when": card.when.isoformat(), "where": card.where}
            files.write(self._at(self._known(vessel)) / CARDED, _json(body))

    def prepare_radio(self, now: datetime | None = None) -> None:
        """Ensure that every identity has the fleet's radio key, which older folders lack.

        If `now` is given, and the next key is due by then, that key is activated first. Raises FolderError.
        """
        with self.alone():
            if now is not None:
                self._activate_due_key(now)
            if not (self.path / RADIO_KEY).exists():
                files.write(self.path / RADIO_KEY, _radio_key(), mode=files.SECRET)
            self._copy_statements()

    def change_radio_key(
        self, authority: Authority, *, now: datetime, begins: datetime
    ) -> tuple[list[str], list[str]]:
        """Replace the key of the radio between vessels, for all vessels that are not revoked.

        The new key is used from `begins` on. If `begins` is not after `now`, each vessel uses the key at
        once, regardless of its clock. Returns the ids of the vessels that receive the key, and of those that
        do not. Raises FolderError.
        """
        with self.alone():
            self._activate_due_key(now)
            number = 1 if (before := self.radio_key) is None else before.number + 1
            key, at_once = _radio_key(), begins <= now
            if at_once or not (self.path / RADIO_KEY).exists():
                present = key
            else:
                present = (self.path / RADIO_KEY).read_bytes()
            self._state_radio_key(authority, number, now=now, begins=begins, before=present, after=key)
            if at_once:
                self._activate_due_key(now)
            self._copy_statements()
            every = self._ids()
            without = self._revoked()
        return [vessel for vessel in every if vessel not in without], sorted(without)

    @property
    def radio_key(self) -> RadioKey | None:
        """The last signed radio-key statement, or None if the key never changed. Raises FolderError."""
        try:
            loaded = identity_files.load_radio_key(self.path, self.root)
        except IdentityError as error:
            raise FolderError(str(error)) from error
        return None if loaded is None else loaded[1]

    def add(
        self,
        authority: Authority,
        vessel: str,
        *,
        now: datetime,
        name: str | None = None,
        mmsi: int | None = None,
        valid_for: timedelta = VESSEL_VALID,
    ) -> EnrolledVessel:
        """Add a vessel to the fleet with a new identity; raises FleetNameError, FolderError."""
        names.check("vessel", vessel)
        place = self._at(vessel)
        with self.alone():
            self.check_new(vessel, name=name, mmsi=mmsi)
            temporary = Path(tempfile.mkdtemp(prefix=f".{vessel}.", dir=place.parent))
            try:
                described = starter_files.vessel_file(vessel, name=name, mmsi=mmsi)
                files.write(temporary / ABOUT, described.encode())
                files.write(temporary / SENSORS, starter_files.starter_file(SENSORS).encode())
                self._issue(authority, vessel, temporary, temporary / IDENTITY, now=now, valid_for=valid_for)
                files.rename(temporary, place)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
            self._seal_again(authority, now)
        return self.vessel(vessel)

    def renew(
        self, authority: Authority, vessel: str, *, now: datetime, valid_for: timedelta = VESSEL_VALID
    ) -> EnrolledVessel:
        """Issue a new key and a new certificate to a vessel.

        Earlier certificates stay valid until they expire or are revoked. Raises UnknownVesselError,
        FolderError.
        """
        with self.alone():
            place = self._at(self._known(vessel))
            prepared = place / _PREPARED
            self._issue(authority, vessel, place, prepared, now=now, valid_for=valid_for)
            self._replace_identity(place, prepared)
            self._seal_again(authority, now)
        return self.vessel(vessel)

    def revoke(
        self, authority: Authority, vessel: str, *, now: datetime, reason: str = ""
    ) -> Sequence[Revoked]:
        """Revoke every certificate issued to a vessel so far, and update the identity folders of all vessels.

        Returns the new revocations. Raises UnknownVesselError, or FolderError if there is no certificate to
        revoke.
        """
        with self.alone():
            before = self.revocations
            known = self._vessel(self._known(vessel), before)
            added = tuple(
                Revoked(issued.serial, vessel, reason, now.replace(microsecond=0))
                for issued in known.issued
                if issued.revoked is None
            )
            if not added:
                what = "all its certificates are already revoked" if known.issued else "it has no certificate"
                text = f"{vessel}: {what}"
                raise FolderError(text)
            after = Revocations(before.number + 1, now, before.entries + added)
            files.write(self.path / REVOCATIONS, _json(authority.state(after)))
            self._copy_statements()
        return added

    # Internal

    def _at(self, vessel: str) -> Path:
        return self.path / VESSELS / vessel

    def _ids(self) -> list[str]:
        try:
            # File managers add files of their own to the folder.
            return sorted(
                path.name for path in (self.path / VESSELS).iterdir() if path.name[0] != "." and path.is_dir()
            )
        except FileNotFoundError:
            text = (
                f"{self.path / VESSELS}: the folder does not exist; restore the fleet's folder from a backup"
            )
            raise FolderError(text) from None

    def _known(self, vessel: str) -> str:
        known = self._ids()
        if vessel in known:
            return vessel
        text = f"fleet {self.fleet!r} has no vessel {vessel!r}; its vessels: {', '.join(known) or 'none'}"
        raise UnknownVesselError(text)

    def _vessel(self, vessel: str, revocations: Revocations) -> EnrolledVessel:
        place = self._at(vessel)
        current: x509.Certificate | None = None
        fault: str | None = None
        try:
            [current, *_] = certificates.load_certificates(place / IDENTITY / VESSEL_CERTIFICATE)
        except ProblemError as error:
            fault = error.problem.text
        try:
            every = [certificates.load_certificates(path)[0] for path in (place / CERTIFICATES).glob("*.pem")]
        except ProblemError as error:
            text = f"{error.problem.text}; restore the file from a backup of the fleet's folder"
            raise FolderError(text) from error
        about_or_none = fleet_duplicates.described(place)
        about = about_or_none or {}
        mmsi = about.get("mmsi")
        issued = [
            IssuedCertificate(
                serial_text(each.serial_number),
                each.not_valid_before_utc,
                each.not_valid_after_utc,
                revocations.revocation_of(each),
                each == current,
            )
            for each in sorted(
                every, key=lambda each: (each == current, each.not_valid_before_utc), reverse=True
            )
        ]
        return EnrolledVessel(
            vessel,
            str(about.get("name") or vessel),
            mmsi if isinstance(mmsi, int) else None,
            tuple(issued),
            has_readable_file=about_or_none is not None,
            fault=fault,
        )

    def _carded(self, vessel: str) -> dict[str, Any]:
        """Return the content of `carded.json`; empty if the file is missing or unreadable."""
        try:
            body = json.loads((self._at(vessel) / CARDED).read_bytes())
        except (FileNotFoundError, ValueError, RecursionError):
            return {}
        return body if isinstance(body, dict) else {}

    def _issue(
        self,
        authority: Authority,
        vessel: str,
        place: Path,
        identity: Path,
        *,
        now: datetime,
        valid_for: timedelta,
    ) -> None:
        """Create an identity folder with a new key and certificate.

        The certificate is stored in the vessel's list first, so that every certificate can be revoked.
        """
        tls_identity = authority.issue(vessel, now=now, valid_for=valid_for)
        serial = serial_text(tls_identity.certificate.serial_number)
        (place / CERTIFICATES).mkdir(mode=files.FOLDER, exist_ok=True)
        files.write(place / CERTIFICATES / f"{serial}.pem", tls_identity.chain_pem())
        shutil.rmtree(identity, ignore_errors=True)
        identity.mkdir(mode=files.FOLDER)
        self._fill(identity, tls_identity)

    def _fill(self, identity: Path, tls_identity: TLSIdentity) -> None:
        files.write(identity / VESSEL_KEY, tls_identity.key_pem(), mode=files.SECRET)
        files.write(identity / FLEET_CERTIFICATE, _pem(self.root))
        files.write(identity / REVOCATIONS, (self.path / REVOCATIONS).read_bytes())
        if (self.path / RADIO_STATEMENT).exists():
            files.write(identity / RADIO_STATEMENT, (self.path / RADIO_STATEMENT).read_bytes())
        if (self.path / RADIO_KEY).exists():
            radio = (self.path / RADIO_KEY).read_bytes()
            files.write(identity / RADIO_KEY, radio, mode=files.SECRET)
        files.write(identity / VESSEL_CERTIFICATE, tls_identity.chain_pem())

    # The radio's key

    def _next_key(self, number: int) -> Path:
        """Return the path of the password file for the radio-key statement with this number."""
        return self.path / f"radio-{number}.key"

    def _activate_due_key(self, now: datetime) -> None:
        """If the last radio-key statement is in effect, make its password the fleet's radio key."""
        statement = self.radio_key
        if statement is None or not statement.has_begun(now):
            return
        key = self._next_key(statement.number)
        if key.exists() and (self.path / RADIO_KEY).read_bytes() != key.read_bytes():
            files.write(self.path / RADIO_KEY, key.read_bytes(), mode=files.SECRET)

    def _state_radio_key(
        self,
        authority: Authority,
        number: int,
        *,
        now: datetime,
        begins: datetime,
        before: bytes,
        after: bytes,
    ) -> None:
        """Sign a radio-key statement, and store it with its password.

        The password is stored first, because the statement takes effect as soon as its file exists.
        """
        files.write(self._next_key(number), after, mode=files.SECRET)
        if not (self.path / RADIO_KEY).exists():
            files.write(self.path / RADIO_KEY, before, mode=files.SECRET)
        body = authority.state_radio_key(
            RadioPasswords(before.decode().strip(), after.decode().strip()),
            self._holders(),
            number=number,
            issued=now,
            begins=begins,
        )
        files.write(self.path / RADIO_STATEMENT, _json(body))
        self._remove_old_keys()

    def _seal_again(self, authority: Authority, now: datetime) -> None:
        """Sign the radio-key statement again, for the certificates that are currently valid."""
        statement = self.radio_key
        if statement is None or not self._next_key(statement.number).exists():
            return
        self._activate_due_key(now)
        self._state_radio_key(
            authority,
            statement.number + 1,
            now=now,
            begins=statement.begins,
            before=(self.path / RADIO_KEY).read_bytes(),
            after=self._next_key(statement.number).read_bytes(),
        )
        self._copy_statements()

    def _holders(self) -> Iterator[tuple[str, x509.Certificate]]:
        """Yield the vessel's id and the certificate for every issued certificate that is not revoked."""
        revocations = self.revocations
        for vessel in self._ids():
            for path in sorted((self._at(vessel) / CERTIFICATES).glob("*.pem")):
                try:
                    certificate = certificates.load_certificates(path)[0]
                except ProblemError as error:
                    raise FolderError(f"{error.problem.text}; restore the file from a backup") from error
                if revocations.revocation_of(certificate) is None:
                    yield vessel, certificate

    def _remove_old_keys(self) -> None:
        """Remove all password files of radio-key statements, except the one of the last statement."""
        statement = self.radio_key
        next_key = None if statement is None else self._next_key(statement.number)
        for path in self.path.glob("radio-*.key"):
            if path != next_key:
                path.unlink()

    def _replace_identity(self, place: Path, prepared: Path) -> None:
        """Replace the identity folder with the prepared one, so that key and certificate change together."""
        old = place / _REPLACED
        shutil.rmtree(old, ignore_errors=True)
        with suppress(FileNotFoundError):
            (place / IDENTITY).rename(old)
        files.rename(prepared, place / IDENTITY)
        shutil.rmtree(old, ignore_errors=True)

    def _copy_statements(self) -> None:
        """Copy the last signed statements and the fleet's radio key to every vessel's identity folder.

        A vessel whose certificate is revoked does not receive new keys. A vessel without an identity folder
        receives the statements when its certificate is renewed.
        """
        revoked = self._revoked()
        shared = ((REVOCATIONS, files.PUBLIC), (RADIO_STATEMENT, files.PUBLIC), (RADIO_KEY, files.SECRET))
        for name, mode in shared:
            if not (self.path / name).exists():
                continue
            content = (self.path / name).read_bytes()
            for vessel in self._ids():
                if name == RADIO_KEY and vessel in revoked:
                    continue
                path = self.identity(vessel) / name
                if not path.parent.exists():
                    continue
                if not path.exists() or path.read_bytes() != content:
                    files.write(path, content, mode=mode)

    def _revoked(self) -> set[str]:
        """Return the vessels whose current certificate is revoked.

        An unreadable certificate counts as valid.
        """
        revocations, revoked = self.revocations, set()
        for vessel in self._ids():
            try:
                [current, *_] = certificates.load_certificates(self.identity(vessel) / VESSEL_CERTIFICATE)
            except (ProblemError, OSError):
                continue
            if revocations.revocation_of(current) is not None:
                revoked.add(vessel)
        return revoked

    def _finish_interrupted(self) -> None:
        """Complete a change that an interrupted command began, or remove the files that it left behind."""
        for vessel in self._ids():
            place = self._at(vessel)
            if not (place / IDENTITY).exists() and (place / _PREPARED).exists():
                files.rename(place / _PREPARED, place / IDENTITY)
            for left in (place / _PREPARED, place / _REPLACED):
                shutil.rmtree(left, ignore_errors=True)  # the folders contain a private key
        for left in (self.path / VESSELS).glob(".*"):
            shutil.rmtree(left)
        self._remove_old_keys()
        self._copy_statements()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Lock the folder inside the block, so that no other command changes it.

        Raises FolderError if another command holds the lock.
        """
        descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                text = (
                    f"{self.path}: another `logboat fleet` command is changing the folder; try again"
                    " when that command has ended"
                )
                raise FolderError(text) from None
            self._finish_interrupted()
            yield
        finally:
            os.close(descriptor)


def check_free(path: Path) -> None:
    """Raise FolderError if a fleet's folder cannot be created at `path`."""
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        text = f"{path}: this path already exists and is not an empty folder; specify a new folder"
        raise FolderError(text)


def _radio_key() -> bytes:
    """Return a new WPA password: 256 random bits as 43 characters (WPA allows at most 63)."""
    return secrets.token_urlsafe(32).encode() + b"\n"


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _json(body: dict[str, Any]) -> bytes:
    return json.dumps(body, indent=2, ensure_ascii=False).encode() + b"\n"
