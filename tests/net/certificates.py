"""Builders of CAs and of valid and invalid certificates, and test connections that use them."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

from sync.net.certificates import peer_certificate
from sync.net.tls_identity import TLSIdentity

NOW = datetime(2026, 5, 1, tzinfo=UTC)
BEGIN, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2126, 1, 1, tzinfo=UTC)
PURPOSES = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]


@dataclass(frozen=True)
class CA:
    """Certificate authority for tests, with its certificate and key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def new(cls, name: str = "fleet", *, issuer: "CA | None" = None) -> "CA":
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, key, BEGIN, END, issuer)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        return cls(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)

    def issue(
        self,
        name: str,
        *,
        hosts: Sequence[str] = (),
        uri: str | None = None,
        begin: datetime = BEGIN,
        end: datetime = END,
    ) -> TLSIdentity:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(name, key, begin, end, self)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage(PURPOSES), critical=False)
        names: list[x509.GeneralName] = [x509.DNSName(host) for host in hosts]
        if uri is not None:
            names.append(x509.UniformResourceIdentifier(uri))
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        return TLSIdentity((builder.sign(self.key, hashes.SHA256()),), key)


def _builder(
    name: str, key: ec.EllipticCurvePrivateKey, begin: datetime, end: datetime, issuer: CA | None
) -> x509.CertificateBuilder:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(end)
    )


def with_unreadable_extensions(name: str, ca: CA) -> TLSIdentity:
    """Return an identity with a certificate extension that OpenSSL accepts but `cryptography` rejects."""
    x400 = bytes.fromhex("3004a3023000")  # a subject alternative name of the form x400Address
    key = ec.generate_private_key(ec.SECP256R1())
    builder = _builder(name, key, BEGIN, END, ca).add_extension(
        x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, x400), critical=False
    )
    return TLSIdentity((builder.sign(ca.key, hashes.SHA256()),), key)


def of_unknown_version(certificate: x509.Certificate) -> bytes:
    """Return a certificate in DER format with its version changed to 10, which invalidates its signature."""
    third, tenth = bytes.fromhex("a003020102"), bytes.fromhex("a003020109")
    return certificate.public_bytes(Encoding.DER).replace(third, tenth, 1)


def self_signed(name: str = "argo", *, hosts: Sequence[str] = ()) -> TLSIdentity:
    return TLSIdentity.self_signed(name, now=NOW, valid_for=timedelta(days=100), hosts=hosts)


@dataclass(frozen=True)
class Meeting:
    """Outcome of a TLS connection, as observed by the client and the server."""

    echoed: bytes | Exception
    """Data that the client received back, or the exception that ended the client's connection."""
    seen: x509.Certificate | Exception | None
    """Client certificate that the server received, or the exception that ended its handshake."""
    received: bytes
    """Data that the server's application received from the client."""

    @property
    def is_good(self) -> bool:
        return self.echoed == b"aye"


async def meet(
    server: ssl.SSLContext,
    client: ssl.SSLContext,
    check: Callable[[ssl.SSLObject], None] | None = None,
    *,
    host: str = "localhost",
) -> Meeting:
    """Connect a TLS client to an echo server on loopback, call `check` in the client, and send data."""
    seen: asyncio.Future[x509.Certificate | Exception | None] = asyncio.get_running_loop().create_future()
    received = bytearray()
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await writer.start_tls(server)
            seen.set_result(peer_certificate(writer.get_extra_info("ssl_object")))
            while data := await reader.read(100):
                received.extend(data)
                if received.endswith(b"\n"):
                    writer.write(b"aye\n")
                    await writer.drain()
        except OSError as error:
            if not seen.done():
                seen.set_result(error)
        finally:
            await hang_up(writer)
            done.set()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        port = listener.sockets[0].getsockname()[1]
        echoed = await _call(port, client, check, host)
        await done.wait()
    return Meeting(echoed, await seen, bytes(received))


async def _call(
    port: int, context: ssl.SSLContext, check: Callable[[ssl.SSLObject], None] | None, host: str
) -> bytes | Exception:
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
    except OSError as error:
        return error
    try:
        if check is not None:
            check(writer.get_extra_info("ssl_object"))
        writer.write(b"ahoy\n")
        await writer.drain()
        return (await reader.readline()).strip()
    except Exception as error:
        return error
    finally:
        await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):  # the connection may already have ended
        await writer.wait_closed()


def shake_hands(
    server: ssl.SSLContext, client: ssl.SSLContext, session: ssl.SSLSession | None = None
) -> tuple[ssl.SSLObject, ssl.SSLObject, dict[str, ssl.SSLError]]:
    """Perform a TLS handshake in memory. Return the client, the server, and each side's error, if any.

    Unlike in asyncio before https://github.com/python/cpython/issues/98078 was fixed, no alert is lost.
    """
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    here = client.wrap_bio(down, up, server_hostname="localhost", session=session)
    there = server.wrap_bio(up, down, server_side=True)
    errors: dict[str, ssl.SSLError] = {}
    for side, name in ((here, "client"), (there, "server")) * 4:
        try:
            side.do_handshake()
            side.read(1)  # In TLS 1.3, a client learns only after its handshake that it was refused.
        except ssl.SSLWantReadError:
            continue
        except ssl.SSLError as error:
            errors.setdefault(name, error)
    return here, there, errors
