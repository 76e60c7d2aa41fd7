"""`logboat db serve PATH`: runs a listener for one store in the foreground, until Ctrl-C or SIGTERM.

If no certificate is given, the command creates one, and stores it with its key beside the store, in
`PATH.identity.pem` (mode 0600). The fingerprint that clients pin therefore stays the same across restarts.
"""

import errno
import re
import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from services.console.errors import FailedError, UsageError
from services.console.output import print_json, say
from services.console.stores import open_store

from .sync import basic, certificates, check_pairs, credential_arguments, identity, is_loopback, password

if TYPE_CHECKING:
    from services.schemas.database import DbServe
    from sync.net.listener import Authenticator, URLEndpointListener, URLEndpointListenerConfiguration
    from sync.net.tls_identity import TLSIdentity
    from sync.store import Database

PORT: Final = 4984
HIGHEST_PORT: Final = 65535
HOST: Final = "127.0.0.1"
"""Default address to listen on.

The default is the loopback address, because without `--user`, any client that reaches the listener may write.
"""
EVERYWHERE: Final = ("*", "0.0.0.0", "::", "[::]")  # noqa: S104  # only on request
STOP_WITHIN_S: Final = 10.0
"""Time for which the command waits for peers to close their connections after a signal, in seconds."""
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def serve_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `serve` that come after PATH."""
    parser.add_argument("--name", default="log", metavar="NAME", help="database name in URLs (log)")
    parser.add_argument(
        "--host",
        default=HOST,
        metavar="H",
        help=f"address, host name or interface to listen on; 0.0.0.0 or * for all ({HOST})",
    )
    parser.add_argument(
        "--port", type=int, default=PORT, metavar="P", help=f"port; 0 for any free port ({PORT})"
    )
    parser.add_argument("--no-tls", action="store_true", help="use ws:// without TLS")
    parser.add_argument(
        "--cert", type=Path, metavar="FILE", help="server certificate, PEM (by default created and kept)"
    )
    parser.add_argument("--key", type=Path, metavar="FILE", help="private key of the certificate (PEM)")
    parser.add_argument(
        "--client-ca", type=Path, metavar="FILE", help="accept clients with a certificate of these CAs (PEM)"
    )
    credential_arguments(parser)
    parser.add_argument("--read-only", action="store_true", help="refuse all writes")


def serve(args: Namespace) -> int:
    """Listen until a signal arrives, and return the exit status."""
    _check(args)
    ours = None if args.cert is None else identity(args.cert, args.key)
    authenticator = _authenticator(args)
    if not args.path.parent.is_dir():
        raise FailedError(f"{args.path.parent}: no such folder")
    import asyncio

    from services.logs.setup import talkative

    with talkative(), open_store(args.path, create=not args.path.is_file()) as database:
        if ours is None and not args.no_tls:
            ours = load_or_create_identity(args.path)
        configuration = _configuration(args, database, ours, authenticator)
        return asyncio.run(_listen(configuration, as_json=args.json))


def _check(args: Namespace) -> None:
    given = [
        option
        for option, value in (("--cert", args.cert), ("--key", args.key), ("--client-ca", args.client_ca))
        if value is not None
    ]
    if args.no_tls and given:
        raise UsageError(f"{', '.join(given)}: not allowed with --no-tls")
    check_pairs(args)
    if not 0 <= args.port <= HIGHEST_PORT:
        raise UsageError(f"--port must be from 0 to {HIGHEST_PORT}")
    if not _NAME.fullmatch(args.name):
        raise UsageError(
            f"--name: {args.name!r}: use letters and digits; after the first character, _ . and - are also "
            "allowed"
        )
    if not args.host:
        raise UsageError("--host must not be empty")
    if args.no_tls and args.user is not None and not is_loopback(args.host):
        raise UsageError(
            "passwords are not sent over connections without TLS, where others can read them; omit "
            f"--no-tls, or listen on {HOST} only"
        )


def _authenticator(args: Namespace) -> "Authenticator | None":
    from sync.net.authenticators import (
        ListenerAuthenticators,
        ListenerCertificateAuthenticator,
        ListenerPasswordAuthenticator,
        secrets_equal,
    )

    by_password = by_certificate = None
    if args.user is not None:
        name, secret = args.user, password(args.password_file)
        # fail at startup, because no client could send this password
        basic(name, secret, args.password_file)

        async def ok(user: str, given: str) -> bool:
            # Always compare name and password, so that the time taken does not reveal which one was wrong.
            is_right = secrets_equal(given, secret)
            return secrets_equal(user, name) and is_right

        by_password = ListenerPasswordAuthenticator(ok)
    if args.client_ca is not None:
        by_certificate = ListenerCertificateAuthenticator(roots=certificates(args.client_ca))
    if by_password is None and by_certificate is None:
        return None
    return ListenerAuthenticators(password=by_password, certificate=by_certificate)


def identity_path(store: Path) -> Path:
    """Return the path of the file that contains the self-signed identity of a store's listener."""
    return store.with_name(store.name + ".identity.pem")


def load_or_create_identity(store: Path) -> "TLSIdentity":
    """Return the self-signed identity stored beside a store, creating it if it is missing.

    Raise FailedError if the identity cannot be read or written.
    """
    from sync.net.tls_identity import TLSIdentity
    from sync.peer.problems import ProblemError

    path = identity_path(store)
    if path.exists():
        try:
            return TLSIdentity.load(path, path)
        except ProblemError as error:
            raise FailedError(
                f"{error}; restore this generated identity from a copy, or delete it and let clients pin the "
                "fingerprint of the new identity"
            ) from error
    identity = TLSIdentity.self_signed("logboat")
    try:
        identity.save(path, path)
    except OSError as error:
        raise FailedError(f"{path}: the listener's identity cannot be saved: {error.strerror}") from error
    return identity


def _configuration(
    args: Namespace, database: "Database", ours: "TLSIdentity | None", authenticator: "Authenticator | None"
) -> "URLEndpointListenerConfiguration":
    from sync.fleet.conflict_resolvers import Resolvers
    from sync.net.listener import URLEndpointListenerConfiguration

    return URLEndpointListenerConfiguration(
        {args.name: database},
        port=args.port,
        network_interface=None if args.host in EVERYWHERE else args.host.strip("[]"),
        disable_tls=args.no_tls,
        tls_identity=ours,
        authenticator=authenticator,
        read_only=args.read_only,
        conflict_resolver=Resolvers(),
    )


async def _listen(configuration: "URLEndpointListenerConfiguration", *, as_json: bool) -> int:
    import asyncio

    from sync.net.listener import URLEndpointListener
    from sync.peer.problems import Domain, ProblemError

    from .run import signals

    listener = URLEndpointListener(configuration)
    stop = asyncio.Event()
    with signals(stop.set):
        try:
            await listener.start()
        except ProblemError as error:
            in_use = (error.problem.domain, error.problem.code) == (Domain.POSIX, errno.EADDRINUSE)
            advice = (
                "; another process listens there: use another --port, or stop that process" if in_use else ""
            )
            raise FailedError(f"{error}{advice}") from error
        try:
            _announce(listener, as_json=as_json)
            await stop.wait()
        finally:
            try:
                async with asyncio.timeout(STOP_WITHIN_S):
                    await listener.stop()
            except TimeoutError:
                say(f"peers did not close their connections within {STOP_WITHIN_S:g} s")
    if as_json:
        from services.schemas.database import DbServe

        print_json(DbServe(event="stopped"))
    else:
        print("stopped", flush=True)
    return 0


def _announce(listener: "URLEndpointListener", *, as_json: bool) -> None:
    configuration = listener.configuration
    ours = listener.tls_identity
    if as_json:
        print_json(_facts(listener))
        return
    for url in listener.urls:
        print(f"listening on {url}")
    if ours is not None:
        print(f"SHA-256 fingerprint of the certificate, for --pin: {ours.fingerprint}")
    may = "read" if configuration.read_only else "read and write"
    if configuration.authenticator is None:
        print(f"anyone who can connect can {may}, because neither --user nor --client-ca is given")
    elif configuration.read_only:
        print("clients can only read")
    sys.stdout.flush()


def _facts(listener: "URLEndpointListener") -> "DbServe":
    from services.schemas.database import DbServe

    configuration, port = listener.configuration, listener.port
    assert port is not None, "the listener has started"
    return DbServe(
        event="listening",
        urls=listener.urls,
        port=port,
        databases=list(configuration.databases),
        fingerprint=None if listener.tls_identity is None else listener.tls_identity.fingerprint,
        read_only=configuration.read_only,
        everybody=configuration.authenticator is None,
    )
