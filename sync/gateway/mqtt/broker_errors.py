"""Errors of MQTT brokers: a text for people, and how to react. Pure.

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
"""First reason code that is an error (MQTT 5, section 2.4)."""


class ErrorReaction(Enum):
    """The reaction to an error."""

    TRY_AGAIN = "try again"
    """The error may be temporary, so try again."""
    TRY_SOON = "try soon"
    """The machine answers, but no broker is running, as during a restart. Try again soon."""
    ASK_SOMEBODY = "ask somebody"
    """A person must act. Try again all the same, but less often."""
    SPEAK_OLDER = "speak older"
    """The broker does not support MQTT 5. Try the older version."""
    SET_ASIDE = "set aside"
    """The error concerns this document only. Set it aside."""


@dataclass(frozen=True)
class BrokerError(Exception):
    """The base class of errors of a broker."""

    text: str
    what: ErrorReaction

    def __str__(self) -> str:
        return self.text


class BrokerConnectError(BrokerError):
    """No connection could be made."""


class BrokerLostError(BrokerError):
    """An open connection has broken."""


class BrokerRefusalError(BrokerError):
    """The broker refuses a message or subscription."""


_CONNACK: Final[Mapping[int, tuple[str, ErrorReaction]]] = {
    # MQTT 5, section 3.2.2.2. paho translates the codes of 3.1.1 to these.
    0x80: ("refuses the connection, and does not say why", ErrorReaction.ASK_SOMEBODY),
    0x81: ("cannot read what we send: it may not speak MQTT 5", ErrorReaction.SPEAK_OLDER),
    0x82: ("says that we break the protocol: it may not speak MQTT 5", ErrorReaction.SPEAK_OLDER),
    0x83: ("does not take what we send, for a reason of its own", ErrorReaction.ASK_SOMEBODY),
    0x84: ("does not speak this version of MQTT", ErrorReaction.SPEAK_OLDER),
    0x85: ("does not take our client identifier", ErrorReaction.ASK_SOMEBODY),
    0x86: (
        "says that user or password is wrong; check both, at the broker and here",
        ErrorReaction.ASK_SOMEBODY,
    ),
    0x87: (
        "does not let us in: user, password or certificate is wrong, or the user may not connect",
        ErrorReaction.ASK_SOMEBODY,
    ),
    0x88: ("is not available just now", ErrorReaction.TRY_AGAIN),
    0x89: ("is busy", ErrorReaction.TRY_AGAIN),
    0x8A: ("has banned us; its operator must lift that", ErrorReaction.ASK_SOMEBODY),
    0x8C: ("wants another way of authentication than user and password", ErrorReaction.ASK_SOMEBODY),
    0x90: ("does not take our topic of presence", ErrorReaction.ASK_SOMEBODY),
    0x95: ("says that our first packet is too large", ErrorReaction.ASK_SOMEBODY),
    0x97: ("has given us all that we may have: a quota is used up", ErrorReaction.ASK_SOMEBODY),
    0x9A: ("does not retain messages, which our presence needs", ErrorReaction.ASK_SOMEBODY),
    0x9B: ("does not take QoS 1, by which it would acknowledge", ErrorReaction.ASK_SOMEBODY),
    0x9C: ("says that we must use another server", ErrorReaction.ASK_SOMEBODY),
    0x9D: ("has moved to another address", ErrorReaction.ASK_SOMEBODY),
    0x9F: ("has too many connections just now", ErrorReaction.TRY_AGAIN),
}
_DISCONNECT: Final[Mapping[int, tuple[str, ErrorReaction]]] = {
    # MQTT 5, section 3.14.2.1.
    0x00: ("has closed the connection", ErrorReaction.TRY_AGAIN),
    0x87: ("has thrown us out: not authorised for what we do", ErrorReaction.ASK_SOMEBODY),
    0x8B: ("is shutting down", ErrorReaction.TRY_AGAIN),
    0x8D: ("has heard nothing of us for too long", ErrorReaction.TRY_AGAIN),
    0x8E: (
        (
            "has another client with our identifier: a second machine with this vessel's card, or a second"
            " gateway of this name"
        ),
        ErrorReaction.ASK_SOMEBODY,
    ),
    0x93: ("had more of us on the way than it takes", ErrorReaction.TRY_AGAIN),
    0x95: ("does not take packets as large as ours", ErrorReaction.TRY_AGAIN),
    0x97: ("has thrown us out: a quota is used up", ErrorReaction.ASK_SOMEBODY),
    0x98: ("was told by its operator to throw us out", ErrorReaction.TRY_AGAIN),
}
_PUBACK: Final[Mapping[int, tuple[str, ErrorReaction]]] = {
    # MQTT 5, section 3.4.2.1.
    0x80: ("for no reason that it gives", ErrorReaction.ASK_SOMEBODY),
    0x83: (
        "for a reason of its own, its size perhaps",
        ErrorReaction.SET_ASIDE,
    ),  # mosquitto's message_size_limit
    0x87: ("not authorised; the user needs the right to write there", ErrorReaction.ASK_SOMEBODY),
    0x90: ("as it does not take this topic", ErrorReaction.SET_ASIDE),
    0x95: ("as it is too large", ErrorReaction.SET_ASIDE),
    0x97: ("as a quota is used up", ErrorReaction.ASK_SOMEBODY),
    0x99: ("as it does not take its format", ErrorReaction.SET_ASIDE),
}


def of_connack(code: int, name: str, where: str) -> BrokerConnectError:
    """Return the trouble for a broker's reason code in CONNACK."""
    text, what = _CONNACK.get(code, (f"refuses the connection: {name}", ErrorReaction.ASK_SOMEBODY))
    return BrokerConnectError(f"the broker at {where} {text}", what)


def of_disconnect(code: int, name: str, where: str) -> BrokerLostError:
    """Return the trouble for the reason code with which a connection ended."""
    text, what = _DISCONNECT.get(code, (f"has ended the connection: {name}", ErrorReaction.TRY_AGAIN))
    return BrokerLostError(f"the broker at {where} {text}", what)


def of_puback(code: int, name: str, topic: str) -> BrokerRefusalError:
    """Return the trouble for a broker's reason code in PUBACK."""
    text, what = _PUBACK.get(code, (f"with {name}", ErrorReaction.ASK_SOMEBODY))
    return BrokerRefusalError(f"the broker refuses {topic}: {text}", what)


def of_silence(topic: str) -> BrokerRefusalError:
    """Return the trouble for a message that was acknowledged but not delivered."""
    text = (
        f"the broker acknowledges {topic}, but does not pass it on: with MQTT 3.1.1 that is how a refusal"
        " looks; the user needs the right to write there, and to read, for us to see it"
    )
    return BrokerRefusalError(text, ErrorReaction.ASK_SOMEBODY)


def of_subscription(topics: str) -> BrokerRefusalError:
    """Return the trouble for a broker that does not let us read back."""
    text = f"the broker does not let us read {topics}, which we need to see whether it is taken"
    return BrokerRefusalError(text, ErrorReaction.ASK_SOMEBODY)


def of_error(error: BaseException, where: str) -> BrokerConnectError:
    """Return the trouble for an error of the system or of TLS that prevented a connection."""
    if isinstance(error, ProblemError):
        return BrokerConnectError(f"connecting to {where}: {error.problem.text}", ErrorReaction.ASK_SOMEBODY)
    if isinstance(error, ssl.SSLError):
        return BrokerConnectError(
            f"connecting to {where}: {certificates.explain(error)}", ErrorReaction.ASK_SOMEBODY
        )
    if isinstance(error, socket.gaierror):
        text = f"connecting to {where}: {error.strerror or error}; check the name, and that there is internet"
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
    """Return the trouble if these first bytes show that the server is not a broker, else None."""
    if first.startswith(b"HTTP/") or first.lstrip()[:1] == b"<":
        text = (
            f"connecting to {where}: a web server answers, no broker; the port is wrong, or this network"
            " wants somebody to log in first (a captive portal)"
        )
        return BrokerConnectError(text, ErrorReaction.TRY_AGAIN)
    return None
