"""Exceptions raised while an image is built.

::

    ImageError          any of the errors below; the message says what, where, and what to do
    ├── RecipeError     a board or base that is unknown, or a file of `image/` that is wrong
    ├── ToolError       a tool that failed, with its last output
    ├── RoomError       not enough space on this machine's disk
    ├── LockError       a package with the locked version but different content
    └── BaseError       a base that is damaged, or is not what it claims to be
"""

from collections.abc import Iterable

from provisioning.errors import ProvisioningError


class ImageError(ProvisioningError):
    """Base class of all exceptions in this module."""


class RecipeError(ImageError):
    """A board or a base does not exist, or a recipe has a mistake."""


class ToolError(ImageError):
    """An external tool is missing, or has exited with an error."""


class LockError(ImageError):
    """Packages have the locked versions but different content."""

    def __init__(self, differences: Iterable[str]) -> None:
        """Compose the message from `differences`, one line for each package."""
        head = (
            "packages have the locked versions but different contents, so the archive, the mirror or"
            " build/image/cache was changed; remove build/image/cache and try again:"
        )
        text = "\n".join([head, *differences])
        super().__init__(text)


class RoomError(ImageError):
    """The disk does not have enough free space."""


class BaseError(ImageError):
    """A base or its package archive is unreachable, damaged, or not what it claims to be."""
