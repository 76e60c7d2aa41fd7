"""Errors reported by MQTT brokers, each with a human-readable message and a reaction.

::

    BrokerError
    ├── BrokerConnectError    no connection was made
    ├── BrokerLostError       the connection broke
    └── BrokerRefusalError    a message or subscription was refused; the connection continues
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sync.net import certificates
from sync.peer.problems import ProblemError

FAILURE: Final = 0x80
"""Lowest reason code that indicates an error (MQTT 5, section 2.4)."""


class ErrorReaction(Enum):
    """The way in which an MQTT gateway reacts to an error."""

    TRY_AGAIN = "try again"
    """Try again, because the error may be temporary."""
    TRY_SOON = "try soon"
    """Try again soon. The host responds but no broker is running on it, for example during a restart."""
    ASK_SOMEBODY = "ask somebody"
    """Retry less often, because a user must solve the problem first."""
    SPEAK_OLDER = "speak older"
    """Try MQTT 3.1.1, because the broker does not support MQTT 5."""
    SET_ASIDE = "set aside"
    """Set the document aside and continue with later ones, because the error concerns only this document."""


@dataclass(frozen=True)
class BrokerError(Exception):
    """Base class of the errors that a broker reports or that a connection to it causes."""

    text: str
    what: ErrorReaction

    def __str__(self) -> str:
        return self.text


class BrokerConnectError(BrokerError):
    """A connection to a broker could not be opened."""


class BrokerLostError(BrokerError):
    """An open connection to a broker was lost."""


class BrokerRefusalError(BrokerError):
    """The broker has rejected a message or a subscription."""


_CONNACK: Final[Mapping[int, tuple[str, ErrorReaction]]] = {
    # MQTT 5, section 3.2.2.2. paho translates the codes of 3.1.1 to these.
    0x80: ("refuses the connection without a reason", ErrorReaction.ASK_SOMEBODY),
    0x81: ("reports a malformed packet; it may not support MQTT 5", ErrorReaction.SPEAK_OLDER),
    0x82: ("reports a protocol error; it may not support MQTT 5", ErrorReaction.SPEAK_OLDER),
    0x83: ("rejects the connection for an unspecified reason", ErrorReaction.ASK_SOMEBODY),
    0x84: ("does not support this version of MQTT", ErrorReaction.SPEAK_OLDER),
    0x85: ("rejects the client identifier", ErrorReaction.ASK_SOMEBODY),
    0x86: (
        "reports a wrong user name or password; check both at the broker and in the configuration",
        ErrorReaction.ASK_SOMEBODY,
    ),
    0x87: (
        "rejects the login: the user name, password or certificate is wrong, or the user may not connect",
        ErrorReaction.ASK_SOMEBODY,
    ),
    0x88: ("is not available now", ErrorReaction.TRY_AGAIN),
    0x89: ("is busy", ErrorReaction.TRY_AGAIN),
    0x8A: ("has banned this client; ask its operator to lift the ban", ErrorReaction.ASK_SOMEBODY),
    0x8C: ("requires an authentication method other than a password", ErrorReaction.ASK_SOMEBODY),
    0x90: ("rejects the presence topic", ErrorReaction.ASK_SOMEBODY),
    0x95: ("reports that the first packet is too large", ErrorReaction.ASK_SOMEBODY),
    0x97: ("refuses the connection because a quota is used up", ErrorReaction.ASK_SOMEBODY),
    0x9A: ("does not support retained messages, which the presence topic needs", ErrorReaction.ASK_SOMEBODY),
    0x9B: ("does not support QoS 1, which is needed for acknowledgements", ErrorReaction.ASK_SOMEBODY),
    0x9C: ("requires the use of another server", ErrorReaction.ASK_SOMEBODY),
    0x9D: ("has moved to another address", ErrorReaction.ASK_SOMEBODY),
    0x9F: ("has too many connections now", ErrorReaction.TRY_AGAIN),
}
_DISCONNECT: Final[Mapping[int, tuple[str, ErrorReaction]]] = {
    # MQTT 5, section 3.14.2.1.
    0x00: ("has closed the connection", ErrorReaction.TRY_AGAIN),
    0x87: ("has closed the connection: not authorised", ErrorReaction.ASK_SOMEBODY),
    0x8B: ("is shutting down", ErrorReaction.TRY_AGAIN),
    0x8D: ("has closed the connection because it received nothing for too long", ErrorReaction.TRY_AGAIN),
    0x8E: (
        (
            "has another client with the same identifier: a second machine with a copy of this card, or"
            " a second gateway with this name"
        ),
        ErrorReaction.ASK_SOMEBODY,
    ),
    0x93: ("received more unacknowledged messages than it allows", ErrorReaction.TRY_AGAIN),
    0x95: ("rejects packets of this size", ErrorReaction.TRY_AGAIN),
    0x97: ("has closed the connection because a quota is used up", ErrorReaction.ASK_SOMEBODY),
    0x98: ("has closed the connection because its operator requested it", ErrorReaction.TRY_AGAIN),
}
_PUBACK: Final[Mapping[int, tuple[str, ErrorReaction]]] = {
    # MQTT 5, section 3.4.2.1.
    0x80: ("no reason given", ErrorReaction.ASK_SOMEBODY),
    0x83: ("an unspecified reason, perhaps the size", ErrorReaction.SET_ASIDE),  # mosquitto's size limit
    0x87: ("not authorised; allow the user to publish to this topic", ErrorReaction.ASK_SOMEBODY),
    0x90: ("the topic is not accepted", ErrorReaction.SET_ASIDE),
    0x95: ("the message is too large", ErrorReaction.SET_ASIDE),
    0x97: ("a quota is used up", ErrorReaction.ASK_SOMEBODY),
    0x99: ("the payload format is not accepted", ErrorReaction.SET_ASIDE),
}


def of_connack(code: int, name: str, where: str) -> BrokerConnectError:
    """Return the error for the reason code in a broker's CONNACK packet."""
    text, what = _CONNACK.get(code, (f"refuses the connection: {name}", ErrorReaction.ASK_SOMEBODY))
    return BrokerConnectError(f"the broker at {where} {text}", what)


def of_disconnect(code: int, name: str, where: str) -> BrokerLostError:
    """Return the error for the reason code with which a connection has ended."""
    text, what = _DISCONNECT.get(code, (f"has ended the connection: {name}", ErrorReaction.TRY_AGAIN))
    return BrokerLostError(f"the broker at {where} {text}", what)


def of_failure(error: Exception, where: str) -> BrokerLostError:
    """Return the error for a connection that can no longer be read or written, given the exception."""
    text = error.strerror if isinstance(error, OSError) else f"{type(error).__name__}: {error}"
    return BrokerLostError(
        f"the connection to the broker at {where} has failed: {text}", ErrorReaction.TRY_AGAIN
    )


def of_puback(code: int, name: str, topic: str) -> BrokerRefusalError:
    """Return the error for the reason code in a broker's PUBACK packet."""
    text, what = _PUBACK.get(code, (name, ErrorReaction.ASK_SOMEBODY))
    return BrokerRefusalError(f"the broker rejects {topic}: {text}", what)


def of_silence(topic: str) -> BrokerRefusalError:
    """Return the error for a message that the broker acknowledged but did not send back to this gateway."""
    text = (
        f"the broker acknowledges {topic} but does not deliver it, so it probably rejected the message; allow"
        " the user to publish to this topic and to subscribe to it, so that delivery can be checked"
    )
    return BrokerRefusalError(text, ErrorReaction.ASK_SOMEBODY)


def of_subscription(topics: str) -> BrokerRefusalError:
    """Return the error for a broker that does not let this gateway subscribe to its own messages."""
    text = (
        f"the broker does not allow subscribing to {topics}, which is needed to check delivery; allow the"
        " user to subscribe to these topics"
    )
    return BrokerRefusalError(text, ErrorReaction.ASK_SOMEBODY)


def of_error(error: BaseException, where: str) -> BrokerConnectError:
    """Return the broker error for a system error or a TLS error that prevented a connection."""
    if isinstance(error, ProblemError):
        return BrokerConnectError(f"connecting to {where}: {error.problem.text}", ErrorReaction.ASK_SOMEBODY)
    if isinstance(error, ssl.SSLError):
        return BrokerConnectError(
            f"connecting to {where}: {certificates.explain(error)}", ErrorReaction.ASK_SOMEBODY
        )
    if isinstance(error, socket.gaierror):
        text = f"connecting to {where}: {error.strerror or error}; check the name and the internet connection"
        return BrokerConnectError(text, ErrorReaction.TRY_AGAIN)
    if isinstance(error, TimeoutError):
        return BrokerConnectError(f"connecting to {where}: no answer", ErrorReaction.TRY_AGAIN)
    if isinstance(error, OSError):
        what = (
            ErrorReaction.TRY_SOON if isinstance(error, ConnectionRefusedError) else ErrorReaction.TRY_AGAIN
        )
        return BrokerConnectError(f"connecting to {where}: {error.strerror or error}", what)
    return BrokerConnectError(
        f"connecting to {where}: {error or type(error).__name__}", ErrorReaction.TRY_AGAIN
    )


def of_stranger(first: bytes, where: str) -> BrokerConnectError | None:
    """Return an error if the first bytes that a server sends show that it is not a broker; otherwise None."""
    if first.startswith(b"HTTP/") or first.lstrip()[:1] == b"<":
        text = (
            f"connecting to {where}: a web server answers instead of a broker; the port is wrong, or"
            " this network requires a login (a captive portal)"
        )
        return BrokerConnectError(text, ErrorReaction.TRY_AGAIN)
    return None
