"""What can be wrong with a fleet's folder, a bundle or a card.

::

    ProvisioningError         any of the below; the text says what, where, and what to do
    ├── FolderError           a folder that is none, is damaged, or has what would be overwritten
    ├── UnknownVesselError    a vessel that is not of this fleet
    ├── PassphraseError       not the root key's passphrase, or one that is too short
    ├── BundleError           what a vessel is to get is not whole, or not for this vessel
    └── CardError             an image or a card that will not do, or that could not be written
"""


class ProvisioningError(Exception):
    """The root of the family."""


class FolderError(ProvisioningError):
    """A folder that is none of a fleet, is damaged, or has already what would be made."""


class UnknownVesselError(ProvisioningError):
    """A vessel that is not of this fleet."""


class PassphraseError(ProvisioningError):
    """Not the passphrase of the fleet's root key, or one that will not do."""


class BundleError(ProvisioningError):
    """What a vessel is to get is not whole, is damaged, or is of another vessel or version."""


class CardError(ProvisioningError):
    """An image or a card that will not do, or that could not be written."""
