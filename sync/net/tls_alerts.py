"""Lets a TLS handshake that fails say why to the other side.

OpenSSL writes an alert ("unknown CA") for it, but asyncio closes the connection without sending that
(https://github.com/python/cpython/issues/98078; so up to Python 3.13 at least): the other side then sees a
bare reset. The context here gets it out, through the places where `ssl` says that it may be extended.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

Send = Callable[[bytes], object]
"""Takes bytes for the other side, past TLS, and tries at once."""

_send: ContextVar[Send | None] = ContextVar("_send", default=None)


@contextmanager
def alerts_by(send: Send) -> Iterator[None]:
    """Handshakes that begin in the block send their alert by this, those of an `AlertingContext`."""
    token = _send.set(send)
    try:
        yield
    finally:
        _send.reset(token)


class _AlertingObject(ssl.SSLObject):
    outgoing: ssl.MemoryBIO
    send: Send | None

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError:
            if self.send is not None and (alert := self.outgoing.read()):
                with suppress(OSError):  # The connection is broken: nobody is there to be told.
                    self.send(alert)
            raise


class AlertingContext(ssl.SSLContext):
    """As any context, but that what is made of it in `alerts_by` sends its alert when a handshake fails."""

    sslobject_class = _AlertingObject

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """As `ssl` does."""
        made = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(made, _AlertingObject)
        made.outgoing, made.send = outgoing, _send.get()
        return made
