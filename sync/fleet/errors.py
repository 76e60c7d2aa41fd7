"""Exceptions of a fleet's names, signatures and identities.

::

    FleetError                  base class; the message says what, where, and what to do
    ├── FleetNameError          an invalid fleet or vessel name
    ├── SignatureError          a document not signed, or not signed by the required party
    │   ├── RevocationsError    invalid or malformed revocations of the fleet
    │   └── RadioKeyError       an invalid radio key document, or a part that cannot be sealed or opened
    ├── PasswordHashError       a string that is not a password hash
    └── IdentityError           unusable identity files
        └── NoIdentityError     a missing or empty identity folder
"""


class FleetError(Exception):
    """Base class of the exceptions in this package."""


class FleetNameError(FleetError, ValueError):
    """A name that is not valid for a fleet or vessel."""


class SignatureError(FleetError):
    """A document that is unsigned, or whose signature is not by the required signer."""


class RevocationsError(SignatureError):
    """A `fleet:revocations` document that is malformed or not signed by the fleet's CA."""


class RadioKeyError(SignatureError):
    """An invalid radio key document, or a part of such a document that cannot be encrypted or decrypted."""


class PasswordHashError(FleetError, ValueError):
    """A string that is not a password hash. The message never quotes that string."""


class IdentityError(FleetError):
    """Identity files that cannot be used. The message names the file and the remedy."""


class NoIdentityError(IdentityError):
    """The identity folder is missing or empty."""
