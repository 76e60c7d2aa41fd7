"""Makes a vessel's bundle from its files in the fleet's folder."""

from collections.abc import Mapping
from datetime import datetime

from provisioning.bundle import contents
from provisioning.bundle import identity as identities
from provisioning.bundle.contents import MANIFEST
from provisioning.errors import BundleError
from provisioning.folder import FleetFolder


def compose(folder: FleetFolder, vessel: str, *, now: datetime) -> Mapping[str, bytes]:
    """Return the files of the vessel's bundle by name, including `bundle.json`.

    The caller must check the configuration. Raises UnknownVesselError, and BundleError for an identity that
    an appliance would reject.
    """
    _check_identity(folder, vessel, now)
    bundle = contents.read(folder.place(vessel))
    contents.check(bundle)
    files = dict(bundle.files)
    made = f"{now:%Y-%m-%d %H:%M} UTC"
    files[MANIFEST] = contents.manifest(vessel=vessel, fleet=folder.fleet, made=made, files=files)
    return files


def _check_identity(folder: FleetFolder, vessel: str, now: datetime) -> None:
    for text, remedy in identities.objections(folder.identity(vessel), present=None, now=now):
        raise BundleError(f"{vessel}: {text}; {remedy.rstrip('.')}")
