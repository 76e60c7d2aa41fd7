"""Blobs between peers: fetched before the document that leads to them is stored, served to those who ask.

A blob is stored under its digest once it is whole; one that is here is never fetched again, so a document
whose transfer broke off goes on where it was. A peer that pushes a document with a blob that is here already
must prove that it has it too: else whoever knows a digest could have the document that leads to the blob.
"""

import secrets
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, Final

from sync.blip import ErrorReceived, RequestReceived
from sync.peer import tuning, wire_bodies
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Ledger
from sync.peer.selection import Selection
from sync.peer.session import Reply, Session
from sync.peer.wire_bodies import BlobInfo
from sync.replication.messages import (
    Encoded,
    Failure,
    GetAttachment,
    MessageError,
    ProveAttachment,
    ProveAttachmentReply,
    proof,
)
from sync.store import BlobError, Database
from sync.store.blobs import BlobWriter

NONCE_BYTES: Final = 20
_CHUNK: Final = 64 * 1024
_BAD_REQUEST: Final = 400
_FAILED: Final = 502
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_UNAVAILABLE: Final = 503
_TOO_BIG: Final = 1009

Fetched = Callable[[MessageError | None, Any], None]
"""Called when all blobs of a document are here, or one cannot be had."""


class _Waiting:
    """A document that waits for blobs."""

    __slots__ = ("given", "left", "then")

    def __init__(self, left: int, then: Fetched, given: Any) -> None:
        self.left, self.then, self.given = left, then, given

    def one_less(self, error: MessageError | None) -> None:
        """A blob is here, or cannot be had; of several errors the first is told."""
        if self.left <= 0:
            return
        self.left = 0 if error is not None else self.left - 1
        if not self.left:
            self.then(error, self.given)


class _Transfer:
    """A blob that is being fetched."""

    __slots__ = ("arrived", "digest", "document_id", "info", "waiting", "writer")

    def __init__(self, digest: str, info: BlobInfo, document_id: str) -> None:
        self.digest, self.info, self.document_id = digest, info, document_id
        self.waiting: list[_Waiting] = []
        self.writer: BlobWriter | None = None
        self.arrived = 0
        """Bytes so far, of which no more are written than the document tells of."""


class BlobFetcher:
    """Gets the blobs of documents that a peer sends."""

    def __init__(self, session: Session, database: Database, *, ledger: Ledger, proves: bool) -> None:
        self._session, self._database, self._ledger, self._proves = session, database, ledger, proves
        self._transfers: dict[str, _Transfer] = {}
        self._queue: deque[_Transfer] = deque()
        self._active = 0
        session.at_end(self._close)

    def fetch(self, blobs: Mapping[str, BlobInfo], document_id: str, then: Fetched, given: Any) -> None:
        """Have these blobs here, or proven, then say so; at once if nothing is to be done."""
        store = self._database.blobs
        missing: list[str] = []
        present: list[str] = []
        try:
            for digest in blobs:
                (present if store.has(digest) else missing).append(digest)
        except BlobError as error:
            then(MessageError(f"{document_id}: {error}"), given)
            return
        if not self._proves:
            present = []
        waiting = _Waiting(len(missing) + len(present), then, given)
        if not waiting.left:
            then(None, given)
            return
        for digest in missing:
            transfer = self._transfers.get(digest)
            if transfer is None:
                transfer = self._transfers[digest] = _Transfer(digest, blobs[digest], document_id)
                self._queue.append(transfer)
            transfer.waiting.append(waiting)
        for digest in present:
            self._ask_for_proof(digest, waiting)
        self._begin()

    def _begin(self) -> None:
        while self._queue and self._active < tuning.BLOBS_AT_ONCE:
            transfer = self._queue.popleft()
            self._active += 1
            transfer.writer = self._database.blobs.writer()
            told = transfer.info.length
            most = tuning.BLOB_BYTES if told is None else min(told, tuning.BLOB_BYTES)

            def take(piece: bytes, transfer: _Transfer = transfer, most: int = most) -> None:
                transfer.arrived += len(piece)
                if transfer.arrived <= most:
                    assert transfer.writer is not None
                    transfer.writer.write(piece)
                elif transfer.arrived > tuning.BLOB_BYTES:
                    text = f"the peer sends more than {tuning.BLOB_BYTES} bytes of a blob"
                    self._session.end(Problem(Domain.BLIP, _TOO_BIG, text))

            self._session.request(
                GetAttachment(
                    transfer.digest,
                    transfer.document_id,
                    compress=transfer.info.is_compressible,
                    collection=self._session.collection,
                ).encode(),
                self._fetched,
                transfer,
                part=take,
            )

    def _fetched(self, reply: Reply, transfer: _Transfer) -> None:
        self._active -= 1
        del self._transfers[transfer.digest]
        writer, transfer.writer = transfer.writer, None
        assert writer is not None
        error: MessageError | None = None
        if isinstance(reply, ErrorReceived):
            writer.close()
            failure = Failure.decode(reply)
            status = failure.status or _FAILED
            error = MessageError(
                f"blob {transfer.digest}: the peer does not send it: {failure.text}", code=status
            )
        else:
            try:
                writer.finish(transfer.digest)
                self._ledger.progress.blobs_pulled += 1
            except BlobError as broken:
                is_longer = transfer.info.length is not None and transfer.arrived > transfer.info.length
                code = _BAD_REQUEST if is_longer else _FAILED  # the former is the document's own fault
                error = MessageError(f"{transfer.document_id}: {broken}", code=code)
        for waiting in transfer.waiting:
            waiting.one_less(error)
        self._begin()

    def _ask_for_proof(self, digest: str, waiting: _Waiting) -> None:
        nonce = secrets.token_bytes(NONCE_BYTES)
        self._session.request(
            ProveAttachment(digest, nonce, self._session.collection).encode(),
            self._proven,
            (digest, nonce, waiting),
        )

    def _proven(self, reply: Reply, given: "tuple[str, bytes, _Waiting]") -> None:
        digest, nonce, waiting = given
        error: MessageError | None = None
        if isinstance(reply, ErrorReceived):
            error = MessageError(f"blob {digest}: the peer does not prove that it has it", code=_FORBIDDEN)
        else:
            told = ProveAttachmentReply.decode(reply, self._session.limits).proof
            if not secrets.compare_digest(told, _proof(self._database, digest, nonce)):
                error = MessageError(f"blob {digest}: the peer's proof is wrong", code=_FORBIDDEN)
        waiting.one_less(error)

    def _close(self) -> None:
        for transfer in self._transfers.values():
            if transfer.writer is not None:
                transfer.writer.close()
        self._transfers.clear()


class BlobServer:
    """Answers a peer's questions for blobs."""

    def __init__(
        self, session: Session, database: Database, *, ledger: Ledger, readable: Selection | None = None
    ) -> None:
        """`readable`: what the peer may see; then a blob must be named with a document that leads to it."""
        self._session, self._database, self._ledger = session, database, ledger
        self._readable = readable
        self._open: set[_File] = set()
        session.at_end(self._close)
        session.handle(GetAttachment, self._get)
        session.handle(ProveAttachment, self._prove)

    def _get(self, request: GetAttachment, event: RequestReceived) -> None:
        self._check_access(request)
        if len(self._open) >= tuning.FILES_OPEN:
            raise MessageError("ask for fewer blobs at once", code=_UNAVAILABLE)
        try:
            file = _File(self._database.blobs.open(request.digest), self._open)
        except BlobError as error:
            raise MessageError(str(error), code=_NOT_FOUND) from error
        self._ledger.progress.blobs_pushed += 1
        self._session.connection.send_response(event.number, {}, file, compressed=request.compress)

    def _prove(self, request: ProveAttachment, event: RequestReceived) -> None:
        reply: Encoded = ProveAttachmentReply(_proof(self._database, request.digest, request.nonce)).encode()
        self._session.respond(event, reply)

    def _check_access(self, request: GetAttachment) -> None:
        readable = self._readable
        if readable is None or readable.is_everything:
            return
        document = None if request.document_id is None else self._database.get(request.document_id)
        if (
            document is None
            or not readable.shows(self._database, document.id, deleted=document.deleted)
            or request.digest not in wire_bodies.blobs_in(document.body)
        ):
            raise MessageError(f"blob {request.digest}: no document that you may see has it", code=_FORBIDDEN)

    def _close(self) -> None:
        for file in list(self._open):
            file.close()


class _File:
    """A file that closes itself at its end."""

    def __init__(self, file: BinaryIO, among: "set[_File]") -> None:
        self._file, self._among = file, among
        among.add(self)

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        if self._file.closed:
            return b""
        read = self._file.read(size)
        if not read:
            self.close()
        return read

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        self._among.discard(self)


def _proof(database: Database, digest: str, nonce: bytes) -> str:
    try:
        with database.blobs.open(digest) as file:
            return proof(nonce, iter(lambda: file.read(_CHUNK), b""))
    except BlobError as error:
        raise MessageError(str(error), code=_NOT_FOUND) from error
