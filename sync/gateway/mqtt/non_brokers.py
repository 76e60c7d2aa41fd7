"""Detection of servers that are not brokers, such as web servers and captive portals."""

import asyncio
import ssl

_ASKS = b"GET / HTTP/1.0\r\n\r\n"
"""HTTP request. A web server answers it, whereas a broker closes the connection."""


async def first_bytes(host: str, port: int, context: ssl.SSLContext | None, seconds: float) -> bytes:
    """Return at most the first 64 bytes of a server's answer; empty if it does not answer in time."""
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
