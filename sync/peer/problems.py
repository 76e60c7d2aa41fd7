"""What went wrong with a connection or a document: a domain, a code of it, and words for people.

The domains and codes are those that Couchbase Lite shows, so that whoever knows one knows the other.
"""

from dataclasses import dataclass
from enum import StrEnum


class Domain(StrEnum):
    """Whose codes they are."""

    POSIX = "POSIX"
    """`errno` of the socket."""
    DNS = "DNS"
    """`socket.EAI_…`: a host name that could not be resolved."""
    TLS = "TLS"
    """No codes; the text says what was wrong with the handshake or the certificate."""
    WEBSOCKET = "WebSocket"
    """An HTTP status of the handshake or of a message below 1000; a close code (RFC 6455, 7.4) above."""
    LITECORE = "LiteCore"
    """`sync.replication.LiteCoreCode`."""
    BLIP = "BLIP"
    """The peer broke BLIP or one of its limits."""
    CONFIGURATION = "Configuration"
    """A file that the configuration names cannot be used. No codes."""
    STORE = "Store"
    """Our own store could not do it: full, busy, read-only, damaged. No codes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that went wrong."""

    domain: Domain
    code: int
    text: str
    """What, where, and what to do, for a person."""

    def __str__(self) -> str:
        return f"{self.text} ({self.domain} {self.code})" if self.code else self.text


class ProblemError(Exception):
    """Raised where a connection cannot be made; ends one where it is open."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem
