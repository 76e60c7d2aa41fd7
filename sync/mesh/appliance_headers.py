"""The HTTP headers with which appliances describe themselves in the WebSocket handshake.

At that point, the appliances have already exchanged their certificates in the TLS handshake.
"""

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
    """The HTTP headers with which an appliance describes itself.

    Headers can be forged. Only the certificate proves which vessel the appliance belongs to.
    """

    store: str
    """UUID of the appliance's database."""
    board: str
    """Identifier of the board: 16 hexadecimal digits that reveal nothing else about the board."""
    log: str = ""
    """Id of the recorder's current log; empty if there is no log."""
    version: str = ""
    """Version of Logboat on the appliance."""

    def headers(self) -> dict[str, str]:
        """Return the HTTP headers to send with a request or a response."""
        return {
            "Logboat-Store": self.store,
            "Logboat-Board": self.board,
            "Logboat-Log": self.log,
            "Logboat-Version": self.version,
        }

    @classmethod
    def parse(cls, headers: Mapping[str, str]) -> Self | None:
        """Parse the HTTP headers of a peer.

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
    """Return the identity under which a vessel's store is treated as a peer.

    A store on a new card has a new UUID, so it counts as a new peer.
    """
    return Peer.member("vessel", vessel, store)
