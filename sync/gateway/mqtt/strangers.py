"""What answers at an address, if it is no broker: a web server, or a captive portal."""

import asyncio
import ssl

_ASKS = b"GET / HTTP/1.0\r\n\r\n"
"""A broker hangs up on that; a web server says what it is."""


async def first_bytes(host: str, port: int, context: ssl.SSLContext | None, seconds: float) -> bytes:
    """The first bytes of an answer, at most 64; none if nobody answers in that time."""
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(host, port, ssl=context)
            writer.write(_ASKS)
            return await reader.read(64)
    except (OSError, TimeoutError):
        return b""
    finally:
        if writer is not None:
            writer.close()
