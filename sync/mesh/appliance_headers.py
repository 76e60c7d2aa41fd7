"""The HTTP headers with which appliances describe themselves in a handshake, in addition to certificates."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

from sync.replication.checkpoint_id import Peer

_LOG: Final = re.compile(r"[a-z]{1,8}")
_STORE: Final = re.compile(r"[0-9a-f-]{36}")
_BOARD: Final = re.compile(r"[0-9a-f]{16}")
_VERSION: Final = re.compile(r"[0-9A-Za-z.+-]{1,40}")


@dataclass(frozen=True, slots=True)
class ApplianceHeaders:
    """The description of an appliance. Its certificate proves to which vessel it belongs."""

    store: str
    """UUID of the appliance's database."""
    board: str
    """Sixteen hexadecimal digits that identify the computer, and reveal nothing else about it."""
    log: str = ""
    """The recorder's log id; empty while there is none."""
    version: str = ""
    """Version of Logboat on the appliance."""

    def headers(self) -> dict[str, str]:
        """Return the headers to send with a request or a response."""
        return {
            "Logboat-Store": self.store,
            "Logboat-Board": self.board,
            "Logboat-Log": self.log,
            "Logboat-Version": self.version,
        }

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> Self | None:
        """Parse a peer's headers.

        Return None if the peer is not an appliance, or if a required header is malformed.
        """
        store, board = headers.get("Logboat-Store", ""), headers.get("Logboat-Board", "")
        if not _STORE.fullmatch(store) or not _BOARD.fullmatch(board):
            return None
        log, version = headers.get("Logboat-Log", ""), headers.get("Logboat-Version", "")
        return cls(
            store,
            board,
            log if _LOG.fullmatch(log) else "",
            version if _VERSION.fullmatch(version) else "",
        )


def vessel_peer(vessel: str, store: str) -> Peer:
    """Return the identity of a vessel's store. A new card has a new UUID, and is a new peer."""
    return Peer.member("vessel", vessel, store)
