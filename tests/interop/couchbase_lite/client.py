"""Remote control for Couchbase Lite, with the commands of the Java program `Harness.java` as methods.

    with CouchbaseLite(prepare(), directory) as couchbase_lite:
        app = couchbase_lite.open("app")
        app.put("note:argo:1", {"text": "oil changed"})
        replicator = app.replicator("wss://127.0.0.1:4984/log", kind=PUSH, certificate=pem)
        replicator.start()
        assert replicator.wait("stopped").error is None

A single Java process serves any number of databases and replicators. If a command fails, a CouchbaseLiteError
with the failure's domain and code is raised. The message of a TimeoutError lists the preceding events.
"""

import base64
import itertools
import json
import os
import queue
import subprocess
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from tests.interop.couchbase_lite.runtime import Runtime

WAIT: Final = 60.0
"""Time limit for an event or an answer, in seconds."""

Level = Literal["stopped", "offline", "connecting", "idle", "busy"]
LOG_FILE: Final = "couchbase-lite.log"


class Kind(StrEnum):
    """Direction of a replication, as seen from Couchbase Lite."""

    PUSH = "PUSH"
    PULL = "PULL"
    BOTH = "PUSH_AND_PULL"


PUSH, PULL, BOTH = Kind.PUSH, Kind.PULL, Kind.BOTH


class Resolver(StrEnum):
    """Rule by which the Java program resolves conflicts."""

    DEFAULT = "default"
    """Default rule, by which a deletion wins, then the higher generation, then the higher revision id."""
    LOCAL = "local"
    REMOTE = "remote"
    MERGE = "merge"
    """Rule that merges both revisions. A key that is in both of them has the local value."""
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Failure:
    """Error as reported by Couchbase Lite."""

    domain: str
    code: int
    message: str


class CouchbaseLiteError(Exception):
    """Error raised if a command fails in the Java program."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.message} ({failure.domain} {failure.code})")
        self.failure = failure


@dataclass(frozen=True, slots=True)
class Document:
    """Document in a Couchbase Lite database."""

    rev: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Blob:
    """Blob in a Couchbase Lite database. `data` is None if the database has only a reference to the blob."""

    type: str
    digest: str
    length: int
    data: bytes | None


@dataclass(frozen=True, slots=True)
class Status:
    """Status reported by a Couchbase Lite replicator."""

    level: Level
    completed: int
    total: int
    error: Failure | None


@dataclass(frozen=True, slots=True)
class Ended:
    """Report by a Couchbase Lite replicator that a document was transferred or has failed."""

    id: str
    pushed: bool
    deleted: bool
    removed: bool
    error: Failure | None


@dataclass
class Replicator:
    """Couchbase Lite replicator. `statuses` and `documents` contain its reports, oldest first."""

    harness: "CouchbaseLite"
    number: int
    statuses: list[Status] = field(default_factory=list)
    documents: list[Ended] = field(default_factory=list)

    def start(self, *, reset: bool = False) -> None:
        """Start the replicator. If `reset` is True, the replicator ignores its checkpoint."""
        with self.harness.told:
            self.statuses.clear()
            self.documents.clear()
        self.harness.ask("start", replicator=self.number, reset=reset)

    def stop(self) -> Status:
        """Stop the replicator, and wait until it has stopped."""
        self.harness.ask("stop", replicator=self.number)
        return self.wait("stopped")

    def run(self, *, reset: bool = False, left: Callable[[], None] | None = None) -> Status:
        """Run a non-continuous replicator until it has stopped, and return its final status.

        A replicator that resolves conflicts may report `stopped` and then remain `busy` indefinitely. If
        `left` is given, an earlier report of `stopped` is therefore sufficient. `left` must wait until the
        other side has no connections, and raise an exception on a timeout.
        """
        self.start(reset=reset)
        try:
            ended = self.wait("stopped")
        except TimeoutError:
            with self.harness.told:
                told = [status for status in self.statuses if status.level == "stopped"]
            if left is None or not told:
                raise
            ended = told[-1]
        if left is not None:
            left()
        return ended

    def status(self) -> Status:
        """Query and return the replicator's current status."""
        return _status(self.harness.ask("status", replicator=self.number))

    def pending(self) -> set[str]:
        """Return the ids of the documents that the replicator has not pushed yet."""
        return set(self.harness.ask("pending", replicator=self.number))

    def certificates(self) -> list[bytes]:
        """Return the certificates that the server presented, in DER format."""
        shown = self.harness.ask("certificates", replicator=self.number)
        return [base64.b64decode(certificate) for certificate in shown]

    def wait(self, *levels: Level) -> Status:
        """Wait until the replicator has reported one of these activity levels since its start."""
        try:
            self._wait(f"to be {' or '.join(levels)}", lambda: self._at(levels))
        except TimeoutError:
            # A replicator that resolves conflicts may report `stopped` and then `busy`. Its answer to a query
            # is reliable.
            now = self.status()
            if now.level not in levels:
                raise
            return now
        with self.harness.told:
            return self.statuses[-1]

    def wait_pushed(self, *ids: str) -> None:
        """Wait until the replicator has pushed these documents without an error since its start."""
        self._wait(f"to push {', '.join(ids)}", lambda: set(ids) <= self._ended(pushed=True))

    def wait_pulled(self, *ids: str) -> None:
        """Wait until the replicator has pulled these documents without an error since its start."""
        self._wait(f"to pull {', '.join(ids)}", lambda: set(ids) <= self._ended(pushed=False))

    def forget(self) -> None:
        """Discard the reports about documents, so that a test can wait for the same documents again."""
        with self.harness.told:
            self.documents.clear()

    def failed(self) -> dict[str, Failure]:
        """Return the errors of the documents that could not be transferred, by document id."""
        with self.harness.told:
            return {ended.id: ended.error for ended in self.documents if ended.error is not None}

    def _at(self, levels: Collection[Level]) -> bool:
        return bool(self.statuses) and self.statuses[-1].level in levels

    def _ended(self, *, pushed: bool) -> set[str]:
        return {ended.id for ended in self.documents if ended.pushed is pushed and ended.error is None}

    def _wait(self, what: str, happened: Callable[[], bool]) -> None:
        with self.harness.told:
            if not self.harness.told.wait_for(lambda: happened() or self.harness.is_over, WAIT):
                seen = [status.level for status in self.statuses], self.documents
                raise TimeoutError(f"waited {WAIT:.0f} s for the replicator {what}; it told {seen}")
            if not happened():
                raise EOFError(f"the program ended, see {self.harness.log}")


@dataclass(frozen=True, slots=True)
class Database:
    """Couchbase Lite database in the running Java program."""

    harness: "CouchbaseLite"
    name: str

    def close(self) -> None:
        """Close the database, whose replicators must have stopped."""
        self._ask("close")

    def put(self, document: str, body: Mapping[str, Any]) -> str:
        """Store a new document or the next revision of a document, and return the revision id."""
        rev: str = self._ask("put", document=document, body=json.dumps(body))
        return rev

    def put_many(self, bodies: Mapping[str, Mapping[str, Any]]) -> None:
        """Store many documents in one transaction."""
        self._ask("put_many", bodies={name: json.dumps(body) for name, body in bodies.items()})

    def get(self, document: str) -> Document | None:
        """Return a document, or None if it is missing or deleted."""
        found = self._ask("get", document=document)
        return None if found is None else Document(found["rev"], json.loads(found["body"]))

    def body(self, document: str) -> dict[str, Any] | None:
        """Return the body of a document, or None if the document is missing or deleted."""
        found = self.get(document)
        return None if found is None else found.body

    def delete(self, document: str) -> None:
        """Delete a document, leaving a tombstone."""
        self._ask("delete", document=document)

    def purge(self, document: str) -> None:
        """Remove a document from the database without leaving a tombstone."""
        self._ask("purge", document=document)

    def put_blob(self, document: str, name: str, data: bytes, *, content_type: str = "text/plain") -> str:
        """Set a property of an existing document to a blob, and return the revision id."""
        encoded = base64.b64encode(data).decode()
        rev: str = self._ask("put_blob", document=document, property=name, type=content_type, data=encoded)
        return rev

    def get_blob(self, document: str, name: str) -> Blob | None:
        """Return the blob that is the value of a document's property, or None if there is no blob."""
        found = self._ask("get_blob", document=document, property=name)
        if found is None:
            return None
        data = None if found["data"] is None else base64.b64decode(found["data"])
        return Blob(found["type"], found["digest"], found["length"], data)

    def ids(self) -> set[str]:
        """Return the ids of all documents that are not deleted."""
        return set(self._ask("ids"))

    def replicator(
        self,
        url: str,
        *,
        kind: Kind = BOTH,
        continuous: bool = False,
        user: str | None = None,
        password: str | None = None,
        session: str | None = None,
        certificate: str | None = None,
        channels: Sequence[str] | None = None,
        document_ids: Sequence[str] | None = None,
        headers: Mapping[str, str] | None = None,
        resolver: Resolver = Resolver.DEFAULT,
        max_attempts: int | None = 1,
        max_attempt_wait_time: int | None = None,
    ) -> Replicator:
        """Create a replicator for the database at a URL (`ws` or `wss`), without starting it.

        Args:
            url: address of the database, without `/_blipsync`.
            kind: direction of replication.
            continuous: True to continue until the replicator is stopped.
            user: user name for Basic authentication.
            password: password of the user.
            session: id of a session, sent as the cookie SyncGatewaySession.
            certificate: the only certificate to accept, in PEM format. By default, the JVM's trust store is
            used.
            channels: the only channels whose documents are pulled.
            document_ids: the only documents to replicate.
            headers: additional headers for the HTTP request.
            resolver: rule by which conflicts are resolved.
            max_attempts: maximum number of connection attempts, or None for Couchbase Lite's default.
            max_attempt_wait_time: longest wait between two attempts, in seconds.
        """
        options: dict[str, Any] = {
            "user": user,
            "password": password,
            "session": session,
            "certificate": certificate,
            "channels": channels,
            "document_ids": document_ids,
            "headers": headers,
            "max_attempts": max_attempts,
            "max_attempt_wait_time": max_attempt_wait_time,
        }
        given = {name: value for name, value in options.items() if value is not None}
        number = self._ask(
            "replicator", url=url, type=kind, continuous=continuous, resolver=resolver, **given
        )
        return self.harness.replicator(number)

    def _ask(self, command: str, **arguments: Any) -> Any:
        return self.harness.ask(command, database=self.name, **arguments)


class CouchbaseLite:
    """Running Java program with Couchbase Lite, as a context manager that ends the program."""

    def __init__(self, runtime: Runtime, directory: Path, *, log_level: str = "INFO") -> None:
        """Start the Java program, which keeps its databases and its log in `directory`.

        At log level DEBUG or VERBOSE, the log contains the replicators' messages.
        """
        self.log: Final = directory / LOG_FILE
        self.told: Final = threading.Condition()
        """Condition that is notified whenever the Java program prints output."""
        self.is_over: bool = False
        self._numbers = itertools.count(1)
        self._answers: dict[int, queue.SimpleQueue[dict[str, Any]]] = {}
        self._replicators: dict[int, Replicator] = {}
        directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*runtime.command, str(directory), log_level],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, "LD_LIBRARY_PATH": str(runtime.library_path)},
                text=True,
                encoding="utf-8",
            )
        self._listener = threading.Thread(target=self._listen, name="couchbase-lite", daemon=True)
        self._listener.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the Java program and the thread that reads its output."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        try:
            self._process.wait(WAIT)
        finally:
            self._process.kill()
            self._listener.join()
            self._process.stdout.close()

    def open(self, name: str) -> Database:
        """Open a database, and create it if it does not exist."""
        self.ask("open", database=name)
        return Database(self, name)

    def replicator(self, number: int) -> Replicator:
        """Return the replicator to which the Java program has assigned this number."""
        with self.told:
            return self._replicators.setdefault(number, Replicator(self, number))

    def ask(self, command: str, **arguments: Any) -> Any:
        """Send a command to the Java program, and return the result.

        Raises:
            CouchbaseLiteError: The command failed in the program.
            TimeoutError: The program did not answer in time.
            EOFError: The program has ended.
        """
        assert self._process.stdin is not None
        number = next(self._numbers)
        answered: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        with self.told:
            if self.is_over:
                raise EOFError(f"the program ended, see {self.log}")
            self._answers[number] = answered
            self._process.stdin.write(json.dumps({"id": number, "do": command, **arguments}) + "\n")
            self._process.stdin.flush()
        try:
            answer = answered.get(timeout=WAIT)
        except queue.Empty:
            raise TimeoutError(f"no answer to {command} in {WAIT:.0f} s, see {self.log}") from None
        if "error" in answer:
            raise CouchbaseLiteError(_failure(answer["error"]))
        if "result" not in answer:
            raise EOFError(f"the program ended at {command}, see {self.log}")
        return answer["result"]

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            with self.told:
                if "id" in said:
                    self._answers.pop(said["id"]).put(said)
                else:
                    self._heard(said["event"], self.replicator(said["replicator"]), said["of"])
                self.told.notify_all()
        with self.told:
            self.is_over = True
            for answered in self._answers.values():
                answered.put({})
            self.told.notify_all()

    @staticmethod
    def _heard(event: str, replicator: Replicator, of: Any) -> None:
        if event == "status":
            replicator.statuses.append(_status(of))
        else:
            replicator.documents += [
                Ended(
                    one["id"], one["pushed"], one["deleted"], one["removed"], _failure_or_none(one["error"])
                )
                for one in of
            ]


def _status(told: Mapping[str, Any]) -> Status:
    return Status(told["level"], told["completed"], told["total"], _failure_or_none(told["error"]))


def _failure(told: Mapping[str, Any]) -> Failure:
    return Failure(told["domain"], told["code"], told["message"])


def _failure_or_none(told: Mapping[str, Any] | None) -> Failure | None:
    return None if told is None else _failure(told)
