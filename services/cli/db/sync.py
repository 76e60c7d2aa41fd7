"""`logboat db push|pull|sync PATH URL`: sets up the replication that the arguments describe.

The module `run` performs the replication.

Contradictory arguments and missing files are usage errors, which are reported before a store or a connection
is opened.
"""

import ipaddress
from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from services.console.errors import FailedError, UsageError
from services.console.stores import open_store

if TYPE_CHECKING:
    from sync.net.authenticators import Authenticator
    from sync.net.endpoints import URLEndpoint
    from sync.net.replicator import ReplicatorConfiguration
    from sync.net.tls_identity import TLSIdentity
    from sync.peer.selection import DocumentFilter
    from sync.store import Database, DocumentPolicy

ONE_SHOT_ATTEMPTS: Final = 3
"""Default for the maximum number of connection attempts of a one-shot replication.

The number is low because a user is waiting at the terminal: three attempts take at most 6 s. Scripts that can
wait longer pass `--attempts`.
"""
LOCAL_NAMES: Final = ("localhost", "localhost.localdomain", "ip6-localhost")

DIRECTIONS: Final = {
    "push": "send new changes to the database at URL",
    "pull": "fetch new changes from the database at URL; creates the store if missing",
    "sync": "send and fetch changes; creates the store if missing",
}


def replication_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `push`, `pull` and `sync` that come after PATH."""
    parser.add_argument("url", metavar="URL", help="wss://host:port/database, or ws:// without TLS")
    parser.add_argument(
        "--continuous", action="store_true", help="keep replicating changes, until Ctrl-C or SIGTERM"
    )
    credential_arguments(parser)
    parser.add_argument("--cert", type=Path, metavar="FILE", help="client certificate (PEM)")
    parser.add_argument("--key", type=Path, metavar="FILE", help="private key of the certificate (PEM)")
    parser.add_argument(
        "--ca", type=Path, metavar="FILE", help="CAs that are trusted for the server's certificate (PEM)"
    )
    parser.add_argument(
        "--pin", metavar="SHA256", help="accept only the server certificate with this fingerprint"
    )
    parser.add_argument(
        "--accept-self-signed", action="store_true", help="accept any self-signed server certificate"
    )
    parser.add_argument(
        "--channels", metavar="A,B", help="replicate only documents in these channels, in both directions"
    )
    parser.add_argument("--docs", metavar="ID,ID", help="replicate only these documents, in both directions")
    parser.add_argument("--no-delta", action="store_true", help="send complete bodies, never deltas")
    parser.add_argument(
        "--attempts",
        type=int,
        metavar="N",
        help=f"number of attempts to connect ({ONE_SHOT_ATTEMPTS}; unlimited with --continuous)",
    )


def credential_arguments(parser: ArgumentParser) -> None:
    """Define `--user` and `--password-file`, for clients and listeners."""
    parser.add_argument("--user", metavar="U", help="user name; needs --password-file")
    parser.add_argument(
        "--password-file", type=Path, metavar="FILE", help="file that contains only the password"
    )


def replicate(args: Namespace) -> int:
    """Run the replication that the arguments describe, and return the exit status."""
    settings = _settings(args)
    is_there = args.path.is_file()
    if args.action == "push" and not is_there:
        raise FailedError(f"{args.path}: no such store")
    if not args.path.parent.is_dir():
        raise FailedError(f"{args.path.parent}: no such folder")
    with open_store(args.path, create=not is_there) as database:
        from .run import run

        return run(settings(database), as_json=args.json)


def _settings(args: Namespace) -> "Callable[[Database], ReplicatorConfiguration]":
    """Return a function that returns the configuration of the replication for a given store.

    Raise UsageError if the arguments are invalid.
    """
    endpoint = _endpoint(args.url)
    is_secure = endpoint.url.startswith("wss://")
    _check_security(args, is_secure=is_secure)
    if args.attempts is not None and args.attempts < 1:
        raise UsageError("--attempts must be 1 or more")
    channels, ids = chosen(args.channels, "--channels"), chosen(args.docs, "--docs")
    authenticator = _authenticator(args)
    if args.user is not None and not is_secure and not is_loopback(urlsplit(args.url).hostname or ""):
        raise UsageError(
            "passwords are not sent over connections without TLS, where others can read them; use a "
            "wss:// URL"
        )
    roots = None if args.ca is None else tuple(certificates(args.ca))
    pin = _pin(args.pin)

    from sync.fleet.conflict_resolvers import Resolvers
    from sync.net.replicator import ReplicatorConfiguration

    def settings(database: "Database") -> ReplicatorConfiguration:
        return ReplicatorConfiguration(
            database,
            endpoint,
            push=args.action != "pull",
            pull=args.action != "push",
            continuous=args.continuous,
            channels=channels,
            document_ids=ids,
            push_filter=_in_channels(database.policy, channels) if channels else None,
            filter_name="channels" if channels else None,
            authenticator=authenticator,
            pinned_server_certificate=pin,
            accept_only_self_signed=args.accept_self_signed,
            roots=roots,
            max_attempts=args.attempts or (None if args.continuous else ONE_SHOT_ATTEMPTS),
            enable_delta_sync=not args.no_delta,
            conflict_resolver=Resolvers(),
        )

    return settings


def _endpoint(url: str) -> "URLEndpoint":
    from sync.net.endpoints import URLEndpoint

    scheme, colon, rest = url.partition("://")
    if colon and (other := {"http": "ws", "https": "wss"}.get(scheme.lower())):
        raise UsageError(f"a database URL begins with {other}://, not {scheme}://; try {other}://{rest}")
    try:
        endpoint = URLEndpoint(url)
    except ValueError as error:
        raise UsageError(str(error)) from error
    parts = urlsplit(url)
    if not parts.path.strip("/"):
        raise UsageError(f"{url!r} has no database name; write {parts.scheme}://host:port/database")
    if parts.query or parts.fragment:
        raise UsageError(f"{url!r}: a database URL must not contain ? or #")
    return endpoint


def _check_security(args: Namespace, *, is_secure: bool) -> None:
    """Check the security options.

    Raise UsageError if an option is missing, or contradicts another or the URL.
    """
    tls = {
        "--cert": args.cert,
        "--key": args.key,
        "--ca": args.ca,
        "--pin": args.pin,
        "--accept-self-signed": args.accept_self_signed or None,
    }
    given = [option for option, value in tls.items() if value is not None]
    if given and not is_secure:
        raise UsageError(f"{', '.join(given)}: these options need TLS; use a wss:// URL")
    judges = [option for option in given if option in {"--ca", "--pin", "--accept-self-signed"}]
    if len(judges) > 1:
        raise UsageError(f"use only one of {' and '.join(judges)} to choose the server certificate to accept")
    check_pairs(args)


def check_pairs(args: Namespace) -> None:
    """Raise UsageError if --cert is given without --key, --user without --password-file, or vice versa."""
    for one, other in (("cert", "key"), ("user", "password_file")):
        for this, that in ((one, other), (other, one)):
            if getattr(args, this) is not None and getattr(args, that) is None:
                raise UsageError(f"--{this.replace('_', '-')} needs --{that.replace('_', '-')}")


def _pin(text: str | None) -> str | None:
    from sync.net.certificates import parse_fingerprint

    try:
        return None if text is None else parse_fingerprint(text)
    except ValueError as error:
        raise UsageError(f"--pin: {error}") from error


def password(path: Path) -> str:
    """Return the password that a file contains, without the line ending.

    Raise UsageError if the file contains no password or cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8").removesuffix("\n").removesuffix("\r")
    except FileNotFoundError as error:
        raise UsageError(f"password file {path} does not exist") from error
    except OSError as error:
        raise UsageError(f"password file {path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"password file {path} is not UTF-8 text") from error
    if not text.strip():
        raise UsageError(f"password file {path} is empty")
    return text


def identity(cert: Path, key: Path) -> "TLSIdentity":
    """Load a certificate and its key. Raise UsageError if that fails."""
    from sync.net.tls_identity import TLSIdentity
    from sync.peer.problems import ProblemError

    try:
        return TLSIdentity.load(cert, key)
    except ProblemError as error:
        raise UsageError(str(error)) from error


def certificates(path: Path) -> list[Any]:
    """Load the certificates in a file. Raise UsageError if that fails."""
    from sync.net.certificates import load_certificates
    from sync.peer.problems import ProblemError

    try:
        return load_certificates(path)
    except ProblemError as error:
        raise UsageError(str(error)) from error


def basic(user: str, secret: str, path: Path) -> Any:
    """Return an authenticator for HTTP Basic authentication.

    `path` is the path of the password file, for error messages. Raise UsageError if the protocol cannot carry
    the user name or the password.
    """
    from sync.net.authenticators import BasicAuthenticator

    if not user:
        raise UsageError("--user must not be empty")
    try:
        return BasicAuthenticator(user, secret)
    except ValueError as error:
        raise UsageError(f"--user or {path}: {error}") from error


@dataclass(frozen=True, slots=True)
class _Both:
    """An authenticator that uses a password for the WebSocket and a certificate for TLS."""

    password: "Authenticator"
    identity: "TLSIdentity"

    def headers(self) -> dict[str, str]:
        return self.password.headers()


def _authenticator(args: Namespace) -> "Authenticator | None":
    by_password: Authenticator | None = None
    if args.user is not None:
        by_password = basic(args.user, password(args.password_file), args.password_file)
    if args.cert is None:
        return by_password
    ours = identity(args.cert, args.key)
    if by_password is not None:
        return _Both(by_password, ours)
    from sync.net.authenticators import ClientCertificateAuthenticator

    return ClientCertificateAuthenticator(ours)


def chosen(text: str | None, option: str) -> frozenset[str]:
    """Return the items of the comma-separated list in an option; empty if `text` is None.

    Raise UsageError if an item is empty.
    """
    if text is None:
        return frozenset()
    parts = [part.strip() for part in text.split(",")]
    if not all(parts):
        raise UsageError(f"{option}: {text!r} contains an empty item")
    return frozenset(parts)


def _in_channels(policy: "DocumentPolicy", wanted: frozenset[str]) -> "DocumentFilter":
    """Return a filter that accepts documents in these channels.

    The filter also accepts tombstones that do not name the channels of the deleted document.
    """
    from sync.peer.selection import channels

    def chooses(document: Any) -> bool:
        own = channels(policy, document)
        return not wanted.isdisjoint(own) or (document.deleted and not own)

    return chooses


def is_loopback(host: str) -> bool:
    """Return True if a host name or address is that of the loopback interface.

    Other machines cannot eavesdrop on that interface.
    """
    if host.lower() in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False
