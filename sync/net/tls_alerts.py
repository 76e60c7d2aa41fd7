"""A TLS context that sends an alert to the other side if a handshake fails.

When a handshake fails, OpenSSL produces an alert such as "unknown CA", but asyncio closes the connection
without sending it (https://github.com/python/cpython/issues/98078, not fixed in Python 3.13). The other side
sees only that the connection was reset. The context in this module sends the alert, using documented
extension points of `ssl`.
"""

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar

Send = Callable[[bytes], object]
"""Function that tries to send bytes to the other side immediately, without TLS."""

_send: ContextVar[Send | None] = ContextVar("_send", default=None)


@contextmanager
def alerts_by(send: Send) -> Iterator[None]:
    """Use `send` for the alerts of all `AlertingContext` handshakes that begin in the `with` block."""
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
                with suppress(OSError):  # the connection is broken, so the alert cannot be delivered
                    self.send(alert)
            raise


class AlertingContext(ssl.SSLContext):
    """A TLS context whose connections, if opened within `alerts_by`, send an alert when a handshake fails."""

    sslobject_class = _AlertingObject

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        """Wrap a pair of BIOs, as `ssl.SSLContext.wrap_bio` does, with the function that sends alerts."""
        connection = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(connection, _AlertingObject)
        connection.outgoing, connection.send = outgoing, _send.get()
        return connection
