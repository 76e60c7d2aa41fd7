"""What can be wrong with a fleet's folder.

::

    ProvisioningError         any of the below; the text says what, where, and what to do
    ├── FolderError           a folder that is none, is damaged, or has what would be overwritten
    ├── UnknownVesselError    a vessel that is not of this fleet
    └── PassphraseError       not the root key's passphrase, or one that is too short
"""


class ProvisioningError(Exception):
    """The root of the family."""


class FolderError(ProvisioningError):
    """A folder that is none of a fleet, is damaged, or has already what would be made."""


class UnknownVesselError(ProvisioningError):
    """A vessel that is not of this fleet."""


class PassphraseError(ProvisioningError):
    """Not the passphrase of the fleet's root key, or one that will not do."""
