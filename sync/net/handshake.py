"""Parts of the WebSocket opening handshake that client and server share: addresses, headers, and a buffer."""

import ipaddress
from typing import Final
from urllib.parse import urlsplit

from websockets.datastructures import Headers
from websockets.exceptions import InvalidURI
from websockets.uri import WebSocketURI, parse_uri

from sync.peer.problems import Domain, Problem, ProblemError
from sync.replication.errors import LiteCoreCode

HEAD_BYTES: Final = 32 * 1024
"""Maximum size in bytes of an HTTP head (the first line and the headers).

This size leaves room for cookies and a token. The `websockets` package limits each line to 8 KiB.
"""

_END: Final = b"\r\n\r\n"


class Head:
    """A buffer that collects an HTTP head and the bytes that arrive after the head."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._searched = 0

    @property
    def is_too_long(self) -> bool:
        """True if the head exceeds `HEAD_BYTES`."""
        return self._searched > HEAD_BYTES

    def __len__(self) -> int:
        return len(self._bytes)

    @property
    def first(self) -> int | None:
        """Value of the first byte of the head; None if no byte has arrived."""
        return self._bytes[0] if self._bytes else None

    def add(self, data: bytes) -> None:
        """Append received bytes, which may include bytes after the head."""
        self._bytes += data

    def take(self) -> bytes:
        """Return all received bytes, and clear the buffer."""
        data = bytes(self._bytes)
        self._bytes.clear()
        return data

    def split(self) -> tuple[bytes, bytes] | None:
        """Return the head and the bytes after it, or None if the head is incomplete."""
        end = self._bytes.find(_END, max(0, self._searched - len(_END)))
        if end < 0 or end > HEAD_BYTES:
            self._searched = len(self._bytes)
            return None
        end += len(_END)
        return bytes(self._bytes[:end]), bytes(self._bytes[end:])


def joined(headers: Headers) -> Headers:
    """Return headers in which each name occurs once. The values of a repeated header are joined with commas.

    Looking up a repeated name in `Headers` raises an exception, which callers do not expect. Only the values
    of `Set-Cookie` stay separate, because their meaning would change if they were joined (RFC 9110, 5.3).
    """
    combined = Headers()
    for name in headers:
        values = headers.get_all(name)
        for value in values if name == "set-cookie" else [", ".join(values)]:
            combined[name] = value
    return combined


def parse_address(url: str) -> tuple[WebSocketURI, str]:
    """Parse a WebSocket URL.

    Returns:
        The parsed URL, and the host to connect to. If the host is a link-local address, it includes the zone.

    Raises:
        ProblemError: the URL is not valid, or contains user information. The message does not quote user
            information, because the message will be logged.
    """
    shown = repr(url) if "@" not in url else "the given address"
    try:
        parts = urlsplit(url)
        if parts.username is not None or parts.password is not None:
            raise _refused(
                "the address contains a user name or password; pass them to the authenticator instead"
            )
        uri = parse_uri(url)
    except InvalidURI as error:
        raise _refused(f"{shown} is not the address of a database: {error.msg}") from error
    except ValueError as error:
        raise _refused(f"{shown} is not the address of a database: {error}") from error
    if not uri.resource_name.isprintable() or " " in uri.resource_name:
        raise _refused(f"{shown} is not the address of a database: it contains spaces or control characters")
    host, is_scoped, zone = uri.host.partition("%")
    if is_scoped:
        # RFC 6874 requires an escaped percent sign before the zone, but many people write it unescaped.
        zone = _as_written(url, zone.removeprefix("25") or zone)
        uri.host = host  # The zone is valid only on this machine.
        return uri, f"{host}%{zone}"
    return uri, host


def _as_written(url: str, zone: str) -> str:
    """Return the zone in the spelling of the URL, because interface names are case-sensitive."""
    at = url.lower().find(zone.lower() + "]")
    return url[at : at + len(zone)] if at >= 0 else zone


def _refused(text: str) -> ProblemError:
    return ProblemError(Problem(Domain.LITECORE, LiteCoreCode.INVALID_PARAMETER, text))


def spell_remote(address: object) -> str:
    """Return a socket's address in readable form, such as `192.0.2.7:4984` or `[fe80::1%eth0]:4984`."""
    match address:
        case (str() as host, int() as port, *_):
            bare, is_scoped, zone = host.partition("%")
            try:
                parsed = ipaddress.ip_address(bare)
            except ValueError:
                return f"{host}:{port}"
            if isinstance(parsed, ipaddress.IPv6Address):
                if parsed.ipv4_mapped is not None:  # an IPv4 client of a socket for both address families
                    return f"{parsed.ipv4_mapped}:{port}"
                return f"[{bare}{is_scoped}{zone}]:{port}"
            return f"{host}:{port}"
        case _:
            return "an unknown address"
