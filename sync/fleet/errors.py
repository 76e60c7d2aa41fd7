"""What can be wrong with a fleet's names, signatures and identities.

::

    FleetError                  any of the below; the text says what, where, and what to do
    ├── FleetNameError          a fleet or vessel name that cannot be one
    ├── SignatureError          a document not signed, or not by whom it must be
    │   ├── RevocationsError    what calls itself the fleet's revocations and is not, or not well formed
    │   └── RadioKeyError       the same of its radio key; or a part of that which cannot be sealed or opened
    ├── PasswordHashError       a text that is no hash of a password
    └── IdentityError           identity files that cannot be used
        └── NoIdentityError     there are none (yet)
"""


class FleetError(Exception):
    """The root of the family."""


class FleetNameError(FleetError, ValueError):
    """A name that no fleet or vessel can have."""


class SignatureError(FleetError):
    """A document that is not signed, or not by whom it must be."""


class RevocationsError(SignatureError):
    """What calls itself the fleet's revocations and is not, or is not well formed."""


class RadioKeyError(SignatureError):
    """What calls itself the fleet's radio key and is not; or a part that cannot be sealed or opened."""


class PasswordHashError(FleetError, ValueError):
    """A text that is no hash of a password; it is never quoted."""


class IdentityError(FleetError):
    """Identity files that cannot be used; the text names the file and the remedy."""


class NoIdentityError(IdentityError):
    """There is no identity here, or not yet."""
