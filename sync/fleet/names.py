"""Names of vessels in certificates: URI `logboat:<fleet>:<vessel>`, host name `logboat-<vessel>.local`.

The fleet's own certificate has the URI `logboat:<fleet>`. A name consists of 1 to 32 lower-case letters,
digits and hyphens.
"""

from dataclasses import dataclass
from typing import Final

from sync.documents import NAME
from sync.fleet.errors import FleetNameError

SCHEME: Final = "logboat"


@dataclass(frozen=True, slots=True)
class VesselName:
    """The name of a vessel, together with the name of its fleet."""

    fleet: str
    vessel: str

    def __post_init__(self) -> None:
        check("fleet", self.fleet)
        check("vessel", self.vessel)

    @property
    def uri(self) -> str:
        """The URI that the vessel's certificate contains as a subject alternative name."""
        return f"{SCHEME}:{self.fleet}:{self.vessel}"


def check(what: str, name: str) -> str:
    """Return `name` unchanged. Raises FleetNameError if it is invalid. `what` is "fleet" or "vessel"."""
    if NAME.fullmatch(name):
        return name
    text = f"{name!r} is not a valid {what} name; use 1 to 32 lower-case letters, digits and hyphens"
    raise FleetNameError(text)


def uri(fleet: str, vessel: str) -> str:
    """Return the URI for a vessel's certificate. Raises FleetNameError if a name is invalid."""
    return VesselName(fleet, vessel).uri


def parse_uri(text: str) -> VesselName | None:
    """Parse the URI of a vessel's certificate. Return None for any other URI."""
    scheme, *parts = text.split(":")
    if scheme != SCHEME or len(parts) != 2:
        return None
    try:
        return VesselName(*parts)
    except FleetNameError:
        return None


def fleet_uri(fleet: str) -> str:
    """Return the URI for a fleet's own certificate. Raises FleetNameError if the name is invalid."""
    return f"{SCHEME}:{check('fleet', fleet)}"


def parse_fleet_uri(text: str) -> str | None:
    """Parse the URI of a fleet's own certificate. Return the fleet's name, or None for any other URI."""
    scheme, colon, fleet = text.partition(":")
    return fleet if scheme == SCHEME and colon and NAME.fullmatch(fleet) else None


def host(vessel: str) -> str:
    """Return the host name of a vessel's appliance on networks without a name server (mDNS, RFC 6762)."""
    return f"logboat-{check('vessel', vessel)}.local"
