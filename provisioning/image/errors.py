"""What can go wrong with an image.

::

    ImageError          any of the below; the text says what, where, and what to do
    ├── RecipeError     a board or base that is unknown, or a file of `image/` that is wrong
    ├── ToolError       a tool that failed: which, and what it said last
    ├── RoomError       not enough room on this machine's disk
    ├── LockError       a package that is not the locked one, though it has its version
    └── BaseError       a base that is damaged, or not what it is said to be
"""

from collections.abc import Iterable

from provisioning.errors import ProvisioningError


class ImageError(ProvisioningError):
    """The root of the family."""


class RecipeError(ImageError):
    """A board or a base that there is not, or a recipe with a mistake."""


class ToolError(ImageError):
    """A tool outside Python failed."""


class LockError(ImageError):
    """Packages have locked versions and another content."""

    def __init__(self, found: Iterable[str]) -> None:
        """`found`: which, a line each."""
        head = (
            "packages are not what was locked, though they have the same versions; somebody has changed the"
            " archive, the mirror, or build/image/cache (remove that, and see whether it stays so):"
        )
        text = "\n".join([head, *found])
        super().__init__(text)


class RoomError(ImageError):
    """Not enough room."""


class BaseError(ImageError):
    """A base that is damaged, or is none."""
