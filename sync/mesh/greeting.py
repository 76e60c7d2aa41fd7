"""What two appliances tell each other in the headers of their handshake, besides their certificates."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

_LOG: Final = re.compile(r"[a-z]{1,8}")
_STORE: Final = re.compile(r"[0-9a-f-]{36}")
_BOARD: Final = re.compile(r"[0-9a-f]{16}")
_VERSION: Final = re.compile(r"[0-9A-Za-z.+-]{1,40}")


@dataclass(frozen=True, slots=True)
class Greeting:
    """Which appliance of a vessel it is. Whose it is says the certificate."""

    store: str
    """The UUID of its database."""
    board: str
    """16 hexadecimal digits that tell one computer from another, and nothing else about it."""
    log: str = ""
    """The recorder's log; empty while there is none."""
    version: str = ""
    """Of its Logboat."""

    def headers(self) -> dict[str, str]:
        """As headers of a request or its answer."""
        return {
            "Logboat-Store": self.store,
            "Logboat-Board": self.board,
            "Logboat-Log": self.log,
            "Logboat-Version": self.version,
        }

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self | None:
        """What a peer's headers say; None if it is no appliance of ours, or talks nonsense."""
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
