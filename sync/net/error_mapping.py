"""Conversion of errors from the operating system, TLS and name resolution to `Problem` objects."""

import os
import socket
import ssl

from sync.blip.close_codes import CloseCode
from sync.peer.problems import Domain, Problem

from . import certificates


def problem_of(error: BaseException | None, doing: str) -> Problem:
    """Convert an error to a `Problem`.

    Args:
        error: the error; None if a connection has ended without an error.
        doing: the action that failed and its target, such as "connecting to boat.local:4984".
    """
    if error is None:
        return Problem(
            Domain.WEBSOCKET, CloseCode.ABNORMAL, f"{doing}: the connection ended without a close message"
        )
    if isinstance(error, socket.gaierror):
        text = f"{doing}: {error.strerror or error}; check the name and this machine's DNS"
        return Problem(Domain.DNS, error.errno or 0, text)
    if isinstance(error, ssl.SSLError):
        return Problem(Domain.TLS, 0, f"{doing}: {certificates.explain(error)}")
    if isinstance(error, OSError) and error.errno:
        reason = error.strerror or ""
        if not reason or reason.startswith("Connect call failed"):  # asyncio's text, which states no reason
            reason = os.strerror(error.errno)
        return Problem(Domain.POSIX, error.errno, f"{doing}: {reason}")
    what = str(error) or type(error).__name__
    return Problem(Domain.WEBSOCKET, CloseCode.ABNORMAL, f"{doing}: {what}")
