"""Exceptions for a fleet's folder, a bundle or a card.

::

    ProvisioningError         any of the errors below; the message says what, where, and what to do
    ├── FolderError           a folder that is damaged, is not a fleet's, or already contains an item
    ├── UnknownVesselError    a vessel that does not belong to this fleet
    ├── PassphraseError       not the root key's passphrase, or one that is too short
    ├── BundleError           a bundle that is incomplete, damaged, or for another vessel or version
    └── CardError             an image or a card that is unsuitable or could not be written
"""


class ProvisioningError(Exception):
    """Base class of all exceptions in this module."""


class FolderError(ProvisioningError):
    """A folder is not a fleet's, is damaged, or already contains the item to create."""


class UnknownVesselError(ProvisioningError):
    """A vessel does not belong to this fleet."""


class PassphraseError(ProvisioningError):
    """The passphrase is not that of the fleet's root key, or is too short."""


class BundleError(ProvisioningError):
    """A bundle is incomplete or damaged, or is for another vessel or version."""


class CardError(ProvisioningError):
    """An image or a card is not suitable, or could not be written."""
