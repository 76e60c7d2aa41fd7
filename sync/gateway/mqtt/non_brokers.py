"""Detection of servers that are not brokers: a web server, or a captive portal."""

import asyncio
import ssl

_ASKS = b"GET / HTTP/1.0\r\n\r\n"
"""Request on which a broker closes the connection, and to which a web server responds."""


async def first_bytes(host: str, port: int, context: ssl.SSLContext | None, seconds: float) -> bytes:
    """Return the first bytes of an answer, at most 64; empty if there is none within `seconds`."""
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
