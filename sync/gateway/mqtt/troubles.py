"""What can go wrong with a broker: in words, and what to do about it. Pure.

Trouble
  ConnectTrouble    no connection came about
  LostTrouble       it broke
  RefusalTrouble    of one message or subscription: the connection stands
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from sync.net import tls
from sync.peer.problems import ProblemError

FAILURE: Final = 0x80
"""Reason codes from here on are errors (MQTT 5, section 2.4)."""


class What(Enum):
    """What to do."""

    TRY_AGAIN = "try again"
    """It may pass by itself."""
    TRY_SOON = "try soon"
    """The machine is there, and no broker on it: as while one restarts."""
    ASK_SOMEBODY = "ask somebody"
    """It passes when a person does something; tried again all the same, more rarely."""
    SPEAK_OLDER = "speak older"
    """The broker does not speak MQTT 5."""
    SET_ASIDE = "set aside"
    """It is about this one document."""


@dataclass(frozen=True)
class Trouble(Exception):  # noqa: N818 -- what it is, not that it is raised
    """Something went wrong."""

    text: str
    what: What

    def __str__(self) -> str:
        return self.text


class ConnectTrouble(Trouble):
    """No connection came about."""


class LostTrouble(Trouble):
    """A connection broke."""


class RefusalTrouble(Trouble):
    """The broker does not take something."""


_CONNACK: Final[Mapping[int, tuple[str, What]]] = {
    # MQTT 5, section 3.2.2.2; 3.1.1's codes are translated to these by paho.
    0x80: ("refuses the connection, and does not say why", What.ASK_SOMEBODY),
    0x81: ("cannot read what we send: it may not speak MQTT 5", What.SPEAK_OLDER),
    0x82: ("says that we break the protocol: it may not speak MQTT 5", What.SPEAK_OLDER),
    0x83: ("does not take what we send, for a reason of its own", What.ASK_SOMEBODY),
    0x84: ("does not speak this version of MQTT", What.SPEAK_OLDER),
    0x85: ("does not take our client identifier", What.ASK_SOMEBODY),
    0x86: ("says that user or password is wrong; check both, at the broker and here", What.ASK_SOMEBODY),
    0x87: (
        "does not let us in: user, password or certificate is wrong, or the user may not connect",
        What.ASK_SOMEBODY,
    ),
    0x88: ("is not available just now", What.TRY_AGAIN),
    0x89: ("is busy", What.TRY_AGAIN),
    0x8A: ("has banned us; its operator must lift that", What.ASK_SOMEBODY),
    0x8C: ("wants another way of authentication than user and password", What.ASK_SOMEBODY),
    0x90: ("does not take our topic of presence", What.ASK_SOMEBODY),
    0x95: ("says that our first packet is too large", What.ASK_SOMEBODY),
    0x97: ("has given us all that we may have: a quota is used up", What.ASK_SOMEBODY),
    0x9A: ("does not retain messages, which our presence needs", What.ASK_SOMEBODY),
    0x9B: ("does not take QoS 1, by which it would acknowledge", What.ASK_SOMEBODY),
    0x9C: ("says that we must use another server", What.ASK_SOMEBODY),
    0x9D: ("has moved to another address", What.ASK_SOMEBODY),
    0x9F: ("has too many connections just now", What.TRY_AGAIN),
}
_DISCONNECT: Final[Mapping[int, tuple[str, What]]] = {
    # MQTT 5, section 3.14.2.1.
    0x00: ("has closed the connection", What.TRY_AGAIN),
    0x87: ("has thrown us out: not authorised for what we do", What.ASK_SOMEBODY),
    0x8B: ("is shutting down", What.TRY_AGAIN),
    0x8D: ("has heard nothing of us for too long", What.TRY_AGAIN),
    0x8E: (
        (
            "has another client with our identifier: a second machine with this vessel's card, or a second"
            " gateway of this name"
        ),
        What.ASK_SOMEBODY,
    ),
    0x93: ("had more of us on the way than it takes", What.TRY_AGAIN),
    0x95: ("does not take packets as large as ours", What.TRY_AGAIN),
    0x97: ("has thrown us out: a quota is used up", What.ASK_SOMEBODY),
    0x98: ("was told by its operator to throw us out", What.TRY_AGAIN),
}
_PUBACK: Final[Mapping[int, tuple[str, What]]] = {
    # MQTT 5, section 3.4.2.1.
    0x80: ("for no reason that it gives", What.ASK_SOMEBODY),
    0x83: ("for a reason of its own, its size perhaps", What.SET_ASIDE),  # mosquitto's message_size_limit
    0x87: ("not authorised; the user needs the right to write there", What.ASK_SOMEBODY),
    0x90: ("as it does not take this topic", What.SET_ASIDE),
    0x95: ("as it is too large", What.SET_ASIDE),
    0x97: ("as a quota is used up", What.ASK_SOMEBODY),
    0x99: ("as it does not take its format", What.SET_ASIDE),
}


def of_connack(code: int, name: str, where: str) -> ConnectTrouble:
    """The broker's answer to a connection was this reason code."""
    text, what = _CONNACK.get(code, (f"refuses the connection: {name}", What.ASK_SOMEBODY))
    return ConnectTrouble(f"the broker at {where} {text}", what)


def of_disconnect(code: int, name: str, where: str) -> LostTrouble:
    """A connection ended with this reason code."""
    text, what = _DISCONNECT.get(code, (f"has ended the connection: {name}", What.TRY_AGAIN))
    return LostTrouble(f"the broker at {where} {text}", what)


def of_puback(code: int, name: str, topic: str) -> RefusalTrouble:
    """The broker's answer to a message was this reason code."""
    text, what = _PUBACK.get(code, (f"with {name}", What.ASK_SOMEBODY))
    return RefusalTrouble(f"the broker refuses {topic}: {text}", what)


def of_silence(topic: str) -> RefusalTrouble:
    """The broker acknowledged a message, and nobody gets it."""
    text = (
        f"the broker acknowledges {topic}, but does not pass it on: with MQTT 3.1.1 that is how a refusal"
        " looks; the user needs the right to write there, and to read, for us to see it"
    )
    return RefusalTrouble(text, What.ASK_SOMEBODY)


def of_subscription(topics: str) -> RefusalTrouble:
    """The broker does not let us read back."""
    text = f"the broker does not let us read {topics}, which we need to see whether it is taken"
    return RefusalTrouble(text, What.ASK_SOMEBODY)


def of_error(error: BaseException, where: str) -> ConnectTrouble:
    """No connection came about, as the system or TLS said so."""
    if isinstance(error, ProblemError):
        return ConnectTrouble(f"connecting to {where}: {error.problem.text}", What.ASK_SOMEBODY)
    if isinstance(error, ssl.SSLError):
        return ConnectTrouble(f"connecting to {where}: {tls.explain(error)}", What.ASK_SOMEBODY)
    if isinstance(error, socket.gaierror):
        text = f"connecting to {where}: {error.strerror or error}; check the name, and that there is internet"
        return ConnectTrouble(text, What.TRY_AGAIN)
    if isinstance(error, TimeoutError):
        return ConnectTrouble(f"connecting to {where}: no answer", What.TRY_AGAIN)
    if isinstance(error, OSError):
        what = What.TRY_SOON if isinstance(error, ConnectionRefusedError) else What.TRY_AGAIN
        return ConnectTrouble(f"connecting to {where}: {error.strerror or error}", what)
    return ConnectTrouble(f"connecting to {where}: {error or type(error).__name__}", What.TRY_AGAIN)


def of_stranger(first: bytes, where: str) -> ConnectTrouble | None:
    """What answered with these bytes is no broker; None if that cannot be told."""
    if first.startswith(b"HTTP/") or first.lstrip()[:1] == b"<":
        text = (
            f"connecting to {where}: a web server answers, no broker; the port is wrong, or this network"
            " wants somebody to log in first (a captive portal)"
        )
        return ConnectTrouble(text, What.TRY_AGAIN)
    return None
