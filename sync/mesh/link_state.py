"""The states of the link with a vessel."""

from enum import StrEnum


class LinkState(StrEnum):
    """The state of the link with a vessel."""

    LINKED = "linked"
    SILENT = "silent"
    """A link is open, but the vessel does not answer. It may be out of range, or have bad radio reception."""
    CONNECTING = "connecting"
    """We are dialling, and the vessel has not answered yet. The report's `problem` contains the reason."""
    REFUSED = "refused"
    """One side has refused the link. The vessel is dialled again after a while."""
    IN_SIGHT = "in sight"
    """The vessel was discovered within the last two minutes, but there is no link with it.

    Either no link is wanted, or the other vessel will dial. The report's `problem` contains the reason why
    the last link ended.
    """
