"""The states of the link with a vessel."""

from enum import StrEnum


class LinkState(StrEnum):
    """The state of the link with a vessel."""

    LINKED = "linked"
    SILENT = "silent"
    """A link is open, but the vessel does not answer: it may be out of reach, or on a bad radio link."""
    CONNECTING = "connecting"
    """We are dialling, and the vessel has not answered yet; `problem` has the reason."""
    REFUSED = "refused"
    """One side refuses the other; the vessel is dialled again after a while."""
    IN_SIGHT = "in sight"
    """The vessel was seen within the last two minutes. No link is wanted, or the other side is to dial.

    `problem` has the reason why the last link ended.
    """
