"""The states of the link with a vessel."""

from enum import StrEnum


class LinkState(StrEnum):
    """The state of the link with a vessel."""

    LINKED = "linked"
    SILENT = "silent"
    """A link is open, but the vessel does not answer. It may be out of range, or have poor reception."""
    CONNECTING = "connecting"
    """We are dialling, and the vessel has not answered yet. `PeerReport.problem` contains the reason."""
    REFUSED = "refused"
    """This vessel or the other has refused the link. The other vessel is dialled again after a while."""
    IN_SIGHT = "in sight"
    """The vessel was discovered within the last two minutes, but there is no link with it.

    Either no link is needed, or the other vessel will dial. `PeerReport.problem` contains the reason why the
    last link ended.
    """
