"""What can go wrong with an image.

::

    ImageError          any of the below; the text says what, where, and what to do
    ├── RecipeError     a board or base that is unknown, or a file of `image/` that is wrong
    ├── ToolError       a tool that failed: which, and what it said last
    ├── RoomError       not enough room on this machine's disk
    └── BaseError       a base that is damaged, or not what it is said to be
"""

from provisioning.errors import ProvisioningError


class ImageError(ProvisioningError):
    """The root of the family."""


class RecipeError(ImageError):
    """A board or a base that there is not, or a recipe with a mistake."""


class ToolError(ImageError):
    """A tool outside Python failed."""


class RoomError(ImageError):
    """Not enough room."""


class BaseError(ImageError):
    """A base that is damaged, or is none."""
