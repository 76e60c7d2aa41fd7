"""A Sync Gateway on the loopback interface that stores its documents only in memory.

    with running(tmp_path) as gateway:
        log = gateway.database("log")
        log.add_user("argo", "secret", channels=["*"])
        Replicator(ReplicatorConfiguration(url=log.url, authenticator=BasicAuthenticator("argo", "secret")))
        log.document("note:argo:1")

The gateway's default sync function routes a document by its `channels`. Guests are refused by default.
"""

import http.client
import json
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote

from tests.interop.availability import or_skip
from tests.interop.sync_gateway.program import sync_gateway
from tests.ports import free_port

HOST: Final = "127.0.0.1"
START_SECONDS: Final = 60
STOP_SECONDS: Final = 20
ASK_SECONDS: Final = 30
ATTEMPTS: Final = 5
"""Maximum number of attempts to start the gateway, because another process may take a port first."""
LOG_KEYS: Final = ("HTTP", "Sync", "SyncMsg", "WS", "CRUD")
"""Keys that make the gateway log every message of a replication at level `info`."""

Json = Any
T = TypeVar("T")

_DONE: Final = frozenset({"stopped", "error"})


class GatewayError(Exception):
    """Error raised if the gateway does not start, or answers a request with an error."""

    def __init__(self, text: str, status: int = 0) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Session:
    """User session at the gateway, with the name of its cookie."""

    session_id: str
    cookie_name: str


@dataclass(frozen=True, slots=True)
class GatewayDatabase:
    """Database of a gateway, controlled over the gateway's admin API."""

    gateway: "Gateway"
    name: str

    @property
    def url(self) -> str:
        """URL at which replicators connect to the database."""
        return f"ws://{HOST}:{self.gateway.public_port}/{self.name}"

    def admin(self, method: str, path: str, body: Json = None) -> Json:
        """Send a request for `/<database>/<path>` to the admin API, and return the decoded response.

        Raises:
            GatewayError: The status is 400 or higher.
        """
        return self.gateway.admin(method, f"/{self.name}/{path}", body)

    def add_user(self, name: str, password: str, *, channels: Iterable[str] = ("*",)) -> None:
        """Add a user who may read these channels. An existing user with this name is replaced."""
        self.admin("PUT", f"_user/{quote(name)}", {"password": password, "admin_channels": list(channels)})

    def set_sync_function(self, function: str) -> None:
        """Set the sync function, which validates and routes documents. This closes all connections."""
        self.admin("PUT", "_config", {**self.admin("GET", "_config"), "sync": function})

    def remove_user(self, name: str) -> None:
        """Remove a user. The gateway closes this user's connections after some time."""
        self.admin("DELETE", f"_user/{quote(name)}")

    def session(self, user: str, *, seconds: int = 3600) -> Session:
        """Create a session for a user, and return the session."""
        answer = self.admin("POST", "_session", {"name": user, "ttl": seconds})
        return Session(answer["session_id"], answer["cookie_name"])

    def end_session(self, session: Session) -> None:
        """End a session, which invalidates its cookie."""
        self.admin("DELETE", f"_session/{session.session_id}")

    def put(self, doc_id: str, body: dict[str, Json], *, rev: str | None = None) -> str:
        """Store a new document, or a new revision with the parent `rev`, and return the revision id."""
        return str(self.admin("PUT", _path(doc_id, rev), body)["rev"])

    def delete(self, doc_id: str, *, rev: str) -> str:
        """Delete a document whose current revision is `rev`, and return the tombstone's revision id."""
        return str(self.admin("DELETE", _path(doc_id, rev))["rev"])

    def purge(self, doc_id: str) -> None:
        """Remove a document from the database without leaving a tombstone."""
        self.admin("POST", "_purge", {doc_id: ["*"]})

    def document(self, doc_id: str, *, rev: str | None = None) -> dict[str, Json] | None:
        """Return the body of a document, including `_id`, `_rev`, `_deleted` and `_revisions`.

        Return None if the document does not exist.
        """
        query = "?revs=true" + (f"&rev={quote(rev)}" if rev else "")
        try:
            answer = self.admin("GET", quote(doc_id, safe="") + query)
        except GatewayError as error:
            if error.status == http.client.NOT_FOUND:
                return None
            raise
        return dict(answer)

    def raw(self, doc_id: str) -> dict[str, Json]:
        """Return a document as the gateway stores it, with its whole revision tree under `_sync`."""
        return dict(self.admin("GET", f"_raw/{quote(doc_id, safe='')}"))

    def attachment(self, doc_id: str, name: str) -> bytes:
        """Return the content of a document's attachment with a name such as `blob_/photo`."""
        path = f"/{self.name}/{quote(doc_id, safe='')}/{quote(name, safe='')}"
        return self.gateway.bytes_of("GET", path)

    def start_replication(self, name: str, url: str, **options: Json) -> None:
        """Let the gateway replicate, as the active peer, with the database at a `ws` or `wss` URL.

        `options` are keys of the gateway's replication configuration, for example `direction="push"` (`pull`,
        `pushAndPull`), `continuous`, `remote_username`, `remote_password` and `collections_enabled`.
        """
        remote = url.replace("ws", "http", 1)
        self.admin("PUT", f"_replication/{name}", {"replication_id": name, "remote": remote, **options})

    def replication_status(self, name: str) -> dict[str, Json]:
        """Return `status`, `error_message` and counters of a replication that the gateway runs."""
        return dict(self.admin("GET", f"_replicationStatus/{name}"))

    def set_replication(self, name: str, action: str) -> None:
        """Start, stop or reset a replication that the gateway runs. `action` is the name of the action."""
        self.admin("PUT", f"_replicationStatus/{name}?action={action}")

    def replicate(self, name: str, url: str, **options: Json) -> dict[str, Json]:
        """Let the gateway run a replication with a new name until it ends, and return its status.

        The direction must not be `pushAndPull`. Otherwise, the gateway may report `stopped` after one
        direction has ended and before the other has begun.
        """
        self.start_replication(name, url, **options)
        return eventually(lambda: self.replication_status(name), lambda status: status["status"] in _DONE)

    def revisions(self) -> dict[str, str]:
        """Return the current revision of every document that is not deleted, by document id."""
        return {row["id"]: row["value"]["rev"] for row in self.admin("GET", "_all_docs")["rows"]}


@dataclass(slots=True)
class Gateway:
    """Running Sync Gateway, whose documents are lost at a restart because they are only in memory."""

    process: "subprocess.Popen[bytes]"
    log: Path
    """Log file of the gateway, which contains every message of a replication."""
    public_port: int
    admin_port: int
    databases: list[str] = field(default_factory=list)

    def database(self, name: str = "log", **options: Json) -> GatewayDatabase:
        """Create a new, empty database. `options` are keys of the gateway's database configuration.

        Examples are `delta_sync={"enabled": True}`, `allow_conflicts=True`, `sync="function (doc) { … }"`,
        `guest={"disabled": False, "admin_channels": ["*"]}`.
        """
        settings = {"guest": {"disabled": True}, **options}
        self.admin("PUT", f"/{name}/", {**_bucket(f"{name}-{secrets.token_hex(4)}"), **settings})
        self.databases.append(name)
        return GatewayDatabase(self, name)

    def drop(self, database: GatewayDatabase) -> None:
        """Remove a database from the gateway, even if clients are connected to the database."""
        self.admin("DELETE", f"/{database.name}/")
        self.databases.remove(database.name)

    def admin(self, method: str, path: str, body: Json = None) -> Json:
        """Send a request to the admin API, and return the decoded response.

        Raises:
            GatewayError: the status is 400 or higher.
        """
        content = self.bytes_of(method, path, body)
        return json.loads(content) if content else None

    def bytes_of(self, method: str, path: str, body: Json = None) -> bytes:
        """Send a request as `admin` does, and return the undecoded response."""
        status, content = _ask(self.admin_port, method, path, body)
        if status >= http.client.BAD_REQUEST:
            raise GatewayError(f"{method} {path}: {status} {content.decode(errors='replace')}", status)
        return content

    def stop(self) -> None:
        """Stop the gateway, which closes all its connections."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def eventually(ask: Callable[[], T], is_it: Callable[[T], bool]) -> T:
    """Repeat the request `ask` until `is_it` returns True for the answer, and return that answer.

    The gateway's admin API must be polled, because it sends no notifications.

    Raises:
        GatewayError: `is_it` did not return True in time.
    """
    deadline = time.monotonic() + START_SECONDS
    while not is_it(answer := ask()):
        if time.monotonic() > deadline:
            raise GatewayError(f"not so within {START_SECONDS} s: {answer}")
        time.sleep(0.05)
    return answer


@contextmanager
def running(home: Path, *, scopes: Mapping[str, Json] | None = None) -> Iterator[Gateway]:
    """Run a gateway for the duration of the block. Its configuration and log are in `home`.

    Without `scopes`, the gateway has no databases at first. With `scopes`, it has exactly the databases that
    are named there. Each has scopes and collections in the form of the gateway's database configuration, for
    example `{"log": {"fleet": {"collections": {"notes": {}}}}}`.

    If the gateway cannot be built, the test is skipped, or fails in CI.

    Raises:
        GatewayError: The gateway did not start.
    """
    program = or_skip(sync_gateway)
    gateway = next(filter(None, (_start(program, home, scopes or {}) for _ in range(ATTEMPTS))), None)
    if gateway is None:
        raise GatewayError(f"Sync Gateway found its ports taken {ATTEMPTS} times; see {home}")
    try:
        yield gateway
    finally:
        gateway.stop()


def _start(program: Path, home: Path, scopes: Mapping[str, Json]) -> Gateway | None:
    """Start a gateway, and return it, or None if another process has taken one of its ports."""
    public, admin, metrics = (free_port() for _ in range(3))
    token = f"started-{secrets.token_hex(8)}"
    config = {
        "interface": f"{HOST}:{public}",
        "adminInterface": f"{HOST}:{admin}",
        "metricsInterface": f"{HOST}:{metrics}",
        "disable_persistent_config": True,
        "admin_interface_authentication": False,
        "metrics_interface_authentication": False,
        "logging": {"console": {"log_level": "info", "log_keys": LOG_KEYS}},
        # Without a database, the gateway would try to connect to a Couchbase Server. The name of the database
        # identifies this gateway.
        "databases": {token: {**_bucket(token), "users": {"GUEST": {"disabled": True}}}}
        | {
            name: {**_bucket(name), "use_views": False, "guest": {"disabled": True}, "scopes": chosen}
            for name, chosen in scopes.items()
        },
    }
    path = home / f"{token}.json"
    path.write_text(json.dumps(config, indent=1))
    log = home / f"{token}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(program), "-collections" if scopes else "-disable_persistent_config", str(path)],
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    gateway = Gateway(process, log, public, admin)
    try:
        if not _ready(gateway, token):
            return None
        if not scopes:
            gateway.admin("DELETE", f"/{token}/")
    except BaseException:
        gateway.stop()
        raise
    return gateway


def _ready(gateway: Gateway, token: str) -> bool:
    """Wait until the public and admin API serve the database `token`. Return False if a port was taken."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if gateway.process.poll() is not None:
            said = gateway.log.read_text(errors="replace")
            if "address already in use" in said:
                return False
            raise GatewayError(f"Sync Gateway ended with {gateway.process.returncode}: {said[-2000:]}")
        if (
            _status(gateway.admin_port, f"/{token}/") == http.client.OK
            and _status(gateway.public_port, f"/{token}/") == http.client.UNAUTHORIZED
        ):
            return True
        time.sleep(0.05)  # the gateway does not report when it is ready
    raise GatewayError(f"Sync Gateway was not ready after {START_SECONDS} s; see {gateway.log}")


def _status(port: int, path: str) -> int:
    """Send a GET request, and return the HTTP status, or 0 if there was no response."""
    try:
        return _ask(port, "GET", path)[0]
    except (OSError, http.client.HTTPException):
        return 0


def _ask(port: int, method: str, path: str, body: Json = None) -> tuple[int, bytes]:
    """Send an HTTP request to the gateway, and return the status and the content of the response."""
    with closing(http.client.HTTPConnection(HOST, port, timeout=ASK_SECONDS)) as connection:
        sent = None if body is None else json.dumps(body).encode()
        connection.request(method, path, sent, {"Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()


def _bucket(name: str) -> dict[str, Json]:
    """Return the part of a database configuration that makes the gateway store documents in memory."""
    return {
        "server": "walrus:",
        "bucket": name,
        "use_views": True,
        "enable_shared_bucket_access": False,  # not supported in memory
        "num_index_replicas": 0,
        "allow_conflicts": False,
    }


def _path(doc_id: str, rev: str | None) -> str:
    return quote(doc_id, safe="") + (f"?rev={quote(rev)}" if rev else "")
