"""JSON output of `logboat fleet`."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from services.state.described import described

from . import format_of
from .parts import Output, Part


class Fleet(Output, frozen=True, kw_only=True, tag=format_of("fleet")):
    """Confirmation that a fleet was created."""

    command: ClassVar[str] = "logboat fleet init --json"

    fleet: Annotated[str, described("Name of the fleet.")]
    folder: Annotated[str, described("Path of the fleet's folder.")]
    expires: Annotated[str, described("Expiry of the fleet's root certificate, in UTC.", format="date")]


class FleetBackup(Output, frozen=True, kw_only=True, tag=format_of("fleet-backup")):
    """Confirmation that a fleet's folder was saved in an encrypted file."""

    command: ClassVar[str] = "logboat fleet backup --json"

    fleet: Annotated[str, described("Name of the fleet.")]
    file: Annotated[str, described("Path of the backup.")]
    bytes: Annotated[int, described("Size of the backup in bytes.", minimum=1)]


class FleetCard(Output, frozen=True, kw_only=True, tag=format_of("fleet-card")):
    """Confirmation that a card was written and verified; one line for each card."""

    command: ClassVar[str] = "logboat fleet card --json"

    vessel: Annotated[str, described("Id of the vessel whose card it is.")]
    target: Annotated[str, described("Path of the device, file or folder that was written.")]
    files: Annotated[Sequence[str], described("Names of the files in the vessel's bundle.")]
    checksum: Annotated[
        str | None,
        described(
            "Name of the file with whose SHA-256 the image was verified; null if there was none, or no image."
        ),
    ]
    no_sensors: Annotated[bool, described("True if the vessel has no sensors, and will record nothing.")]


class FleetIdentity(Output, frozen=True, kw_only=True, tag=format_of("fleet-identity")):
    """Confirmation that a vessel has received an identity."""

    command: ClassVar[str] = "logboat fleet add|renew --json"

    vessel: Annotated[str, described("Id of the vessel.")]
    identity: Annotated[
        str, described("Path of the folder with the identity, to be copied to the appliance.")
    ]
    serial: Annotated[str | None, described("Serial number of the certificate, in hexadecimal.")]
    expires: Annotated[str, described("Expiry date of the certificate, in UTC; '-' without a certificate.")]


class VesselCard(Part, frozen=True, kw_only=True):
    """The card that was last written for the vessel; null if none was."""

    serial: Annotated[str, described("Serial number of the certificate on the card, in hexadecimal.")]
    when: Annotated[str, described("Time at which the card was written, in UTC.", format="date")]
    where: Annotated[str, described("Device or file to which the card was written.")]


class VesselCertificate(Part, frozen=True, kw_only=True):
    """A certificate of the vessel."""

    serial: Annotated[str, described("Serial number of the certificate, in hexadecimal.")]
    begins: Annotated[str, described("Time from which the certificate is valid, in UTC.", format="date")]
    expires: Annotated[str, described("Time at which the certificate expires, in UTC.", format="date")]
    revoked: Annotated[
        str | None,
        described("Time at which the certificate was revoked, in UTC; null if it was not.", format="date"),
    ]
    reason: Annotated[str | None, described("Reason for the revocation.")]
    current: Annotated[bool, described("True if this is the vessel's current certificate.")]


class FleetVessel(Part, frozen=True, kw_only=True):
    """A vessel in the fleet."""

    id: Annotated[str, described("Id of the vessel.")]
    name: Annotated[str, described("Name of the vessel, for people.")]
    mmsi: Annotated[
        int | None,
        described("MMSI of the vessel, its identity in marine radio.", minimum=100000000, maximum=999999999),
    ]
    standing: Annotated[str, described("Status of the vessel's certificate, in words.")]
    card: Annotated[
        VesselCard | None, described("The card that was last written for the vessel; null if none was.")
    ]
    certificates: Annotated[
        Sequence[VesselCertificate], described("The vessel's certificates, newest first.")
    ]


class FleetList(Output, frozen=True, kw_only=True, tag=format_of("fleet-list")):
    """The vessels of a fleet."""

    command: ClassVar[str] = "logboat fleet list --json"

    fleet: Annotated[str, described("Name of the fleet.")]
    expires: Annotated[str, described("Expiry of the fleet's root certificate, in UTC.", format="date")]
    revocations: Annotated[int, described("Number of the fleet's revocation list.", minimum=0)]
    vessels: Annotated[Sequence[FleetVessel], described("The vessels, sorted by id.")]


class FleetPassword(Output, frozen=True, kw_only=True, tag=format_of("fleet-password")):
    """A password hash for a [[user]] section of `logboat.toml`."""

    command: ClassVar[str] = "logboat fleet password --json"

    password_hash: Annotated[str, described("scrypt hash with its parameters and salt.")] = msgspec.field(
        name="password_hash"
    )


class FleetRadio(Output, frozen=True, kw_only=True, tag=format_of("fleet-radio")):
    """Confirmation that the vessel-to-vessel radio will use a new key."""

    command: ClassVar[str] = "logboat fleet rekey --json"

    fleet: Annotated[str, described("Name of the fleet.")]
    vessels: Annotated[Sequence[str], described("Ids of the vessels that receive the new key.")]
    revoked: Annotated[
        Sequence[str],
        described("Ids of the vessels that do not receive the new key, because they are revoked."),
    ]
    number: Annotated[
        int,
        described(
            "Number of the statement with the new key; it replaces statements with lower numbers.", minimum=1
        ),
    ]
    from_: Annotated[
        str, described("Time from which vessels use the new key, in UTC.", format="date-time")
    ] = msgspec.field(name="from")


class FleetRestored(Output, frozen=True, kw_only=True, tag=format_of("fleet-restored")):
    """Confirmation that a fleet's folder was restored."""

    command: ClassVar[str] = "logboat fleet restore --json"

    fleet: Annotated[str, described("Name of the fleet.")]
    folder: Annotated[str, described("Path of the folder.")]
    vessels: Annotated[Sequence[str], described("Ids of all vessels in the folder.")]


class FleetRemoval(Output, frozen=True, kw_only=True, tag=format_of("fleet-removal")):
    """Confirmation that a vessel was removed from the fleet."""

    command: ClassVar[str] = "logboat fleet remove --json"

    vessel: Annotated[str, described("Id of the vessel.")]
    revoked: Annotated[
        Sequence[str],
        described("Serial numbers of the certificates that were revoked for this, in hexadecimal."),
    ]
    number: Annotated[int, described("Number of the current revocation list.", minimum=0)]
    folder: Annotated[str, described("Path of the folder to which the vessel's files were moved.")]


class FleetRevocation(Output, frozen=True, kw_only=True, tag=format_of("fleet-revocation")):
    """Confirmation that a vessel's certificates were revoked."""

    command: ClassVar[str] = "logboat fleet revoke --json"

    vessel: Annotated[str, described("Id of the vessel.")]
    revoked: Annotated[
        Sequence[str], described("Serial numbers of the revoked certificates, in hexadecimal.")
    ]
    number: Annotated[int, described("Number of the new revocation list.", minimum=0)]
