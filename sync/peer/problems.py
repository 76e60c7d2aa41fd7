"""Problems with a connection or a document: each has a domain, a code, and a human-readable message.

If Couchbase Lite defines a domain or a code for a problem, the same one is used here.
"""

from dataclasses import dataclass
from enum import StrEnum


class Domain(StrEnum):
    """The domain to which a problem's code belongs."""

    POSIX = "POSIX"
    """Domain of socket errors, whose codes are `errno` values."""
    DNS = "DNS"
    """Domain of `socket.EAI_…` values, for a host name that could not be resolved."""
    TLS = "TLS"
    """Domain of TLS problems, which have no codes.

    The message describes what is wrong with the handshake or the certificate.
    """
    WEBSOCKET = "WebSocket"
    """Domain of WebSocket close codes, and of the HTTP status codes (below 1000) of handshakes and messages.

    See RFC 6455, section 7.4.
    """
    LITECORE = "LiteCore"
    """Domain of `sync.replication.LiteCoreCode` values."""
    BLIP = "BLIP"
    """Domain of violations of the BLIP protocol, or of its limits, by the peer."""
    CONFIGURATION = "Configuration"
    """Domain of problems with files that the configuration names. These problems have no codes."""
    STORE = "Store"
    """Domain of errors from our own store, which may be full, busy, read-only or damaged.

    The error of a busy store has the code 503. All other errors have no code.
    """


@dataclass(frozen=True, slots=True)
class Problem:
    """A problem with a connection or a document."""

    domain: Domain
    code: int
    text: str
    """Human-readable message: what happened, where, and what to do."""

    def __str__(self) -> str:
        return f"{self.text} ({self.domain} {self.code})" if self.code else self.text


class ProblemError(Exception):
    """An error that prevents a connection from being opened, or has ended an open connection."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem
