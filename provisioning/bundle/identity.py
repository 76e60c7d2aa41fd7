"""Checks whether an identity is complete, valid, and for the right fleet and vessel, and may be applied.

The library that reads certificates takes a long time to load, so it is loaded only if there is a certificate
to read.
"""

import re
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from provisioning.bundle.contents import RADIO_KEY
from sensors.toml.toml_file import unforeseen
from sync.fleet.errors import IdentityError, NoIdentityError
from sync.fleet.identity_names import VESSEL_CERTIFICATE

if TYPE_CHECKING:
    from sync.fleet.identity_files import FleetIdentity

_RADIO_PASSWORD: Final = re.compile(rb"[ !#-~]{8,63}")
"""Pattern of a WPA password (IEEE 802.11, annex J.4.1) that can be quoted for wpa_supplicant."""


def whole(folder: Path) -> "FleetIdentity":
    """Return the identity in a folder.

    Raises NoIdentityError if there is none, and IdentityError if it is damaged.
    """
    from sync.fleet import identity_files

    return identity_files.load(folder)


def load(folder: Path) -> "FleetIdentity | None":
    """Return the identity in a folder, or None if it is missing, or too damaged to identify the vessel."""
    if not (folder / VESSEL_CERTIFICATE).exists():
        return None
    try:
        return whole(folder)
    except Exception:  # noqa: BLE001  # a damaged file can cause any exception
        return None


def id_objection(vessel: str, certified: str) -> tuple[str, str] | None:
    """Return the reason to reject a configuration for the id `vessel`, and a remedy; None to accept it.

    `certified` is the vessel that the certificate names.
    """
    if vessel == certified:
        return None
    return (
        f'the id is "{vessel}", but the certificate is for "{certified}"',
        f'Write: id = "{certified}". For another vessel, write another card with `logboat fleet card`.',
    )


def vessel_of(certificate: bytes) -> str | None:
    """Return the vessel named in a PEM certificate, or None if it is not a certificate or names no vessel."""
    from cryptography import x509

    from sync.fleet import trust as trusting

    try:
        name = trusting.vessel_name_in(x509.load_pem_x509_certificate(certificate))
    except Exception:  # noqa: BLE001  # `cryptography` raises many types of exceptions
        return None
    return None if name is None else name.vessel


def objections(offered: Path, *, present: "FleetIdentity | None", now: datetime) -> Iterator[tuple[str, str]]:
    """Yield the reasons to reject an identity, each with a description and a remedy.

    `present` is the identity in use, or None. `now` is the current clock time, or the earliest possible time
    if the clock is behind that time.
    """
    try:
        identity = whole(offered)
    except NoIdentityError:
        yield "the bundle contains no identity", "Write the bundle again."
        return
    except IdentityError as error:
        what, _, remedy = str(error).partition("; ")
        yield what.removeprefix(f"{offered}/"), f"{remedy[:1].upper()}{remedy[1:]}."
        return
    except Exception as error:  # noqa: BLE001  # a damaged file can cause any exception
        text, _ = unforeseen(error)
        yield text, "Write the bundle again."
        return
    if why := identity.trust.objection(identity.tls.certificate, now):
        yield (
            why,
            f"Run `logboat fleet renew {identity.vessel}` for a new certificate, and write the bundle again.",
        )
    yield from _radio_objections(offered, identity)
    if present is None:
        return
    from sync.net.certificates import fingerprint

    if fingerprint(present.trust.root) != fingerprint(identity.trust.root):
        yield (
            (
                f"the identity belongs to fleet {identity.fleet!r}, but this vessel belongs to fleet"
                f" {present.fleet!r}"
            )
            + (", a different fleet with the same name" if identity.fleet == present.fleet else ""),
            "To move a vessel to another fleet, write a new card with `logboat fleet card`.",
        )
    elif present.vessel != identity.vessel:
        yield (
            f"the identity belongs to vessel {identity.vessel}, but this is vessel {present.vessel}",
            f"Use the card of {identity.vessel}, or write a new one with `logboat fleet card`.",
        )


def _radio_objections(offered: Path, identity: "FleetIdentity") -> Iterator[tuple[str, str]]:
    from sync.fleet import identity_files

    key = offered / RADIO_KEY
    if key.is_file() and not _RADIO_PASSWORD.fullmatch(key.read_bytes().strip()):
        yield f"{RADIO_KEY}: this is not a valid radio password", "Write the bundle again."
    try:
        identity_files.load_radio_key(offered, identity.trust.root)
    except IdentityError as error:
        yield str(error).removeprefix(f"{offered}/").partition("; ")[0], "Write the bundle again."
