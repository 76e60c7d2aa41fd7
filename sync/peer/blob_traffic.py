"""Blob transfers: fetches the blobs of a received document before it is stored, and serves blobs to the peer.

Each blob is stored as soon as it is complete, and is never fetched again. So after an interruption, only the
missing blobs of a document are fetched.

If a peer pushes a document that refers to a blob stored here, the peer must prove that it has the blob too.
One proof for each blob and connection is enough. Otherwise anyone who knows the digest of a blob could read
the blob through a document of their own. A document waits for its proof as long as the peer keeps sending
other proofs. If no proof arrives for a minute, the waiting documents fail temporarily.

Blobs are hashed as jobs in the queue `Session.work`: in slices, and within the limits of the connection.
"""

import logging
import secrets
from collections import deque
from collections.abc import Callable, Collection, Generator, Mapping
from http import HTTPStatus
from typing import Any, BinaryIO, Final

from sync.blip import ErrorReceived, RequestReceived
from sync.blip.close_codes import CloseCode
from sync.peer.blob_access import BlobAccess, open_nonces
from sync.peer.problems import Domain, Problem
from sync.peer.progress import Ledger
from sync.peer.quotas import Quota
from sync.peer.session import Reply, Session
from sync.peer.wire_bodies import BlobInfo
from sync.replication.messages import (
    Failure,
    GetAttachment,
    MessageError,
    Proof,
    ProveAttachment,
    ProveAttachmentReply,
)
from sync.store import BlobError, Database
from sync.store.blobs import BlobWriter

from . import limits

log = logging.getLogger(__name__)

NONCE_BYTES: Final = 20

Fetched = Callable[[MessageError | None, Any], None]
"""Function to call with None when all blobs of a document are stored, or with the error if one failed."""


class _Waiting:
    """A received document that waits until its blobs are fetched or proofs of them have arrived."""

    __slots__ = ("given", "left", "then")

    def __init__(self, left: int, then: Fetched, context: Any) -> None:
        self.left, self.then, self.given = left, then, context

    def one_less(self, error: MessageError | None) -> None:
        """Record that one more blob of the document has arrived or failed. Only the first error counts."""
        if self.left <= 0:
            return
        self.left = 0 if error is not None else self.left - 1
        if not self.left:
            self.then(error, self.given)


class _Transfer:
    """A blob that is being fetched from the peer."""

    __slots__ = ("arrived", "charged", "digest", "document_id", "info", "is_cut", "waiting", "writer")

    def __init__(self, digest: str, info: BlobInfo, document_id: str) -> None:
        self.digest, self.info, self.document_id = digest, info, document_id
        self.waiting: list[_Waiting] = []
        self.writer: BlobWriter | None = None
        self.arrived = 0
        """Number of bytes received. Bytes beyond the length stated in the document are not written."""
        self.charged = 0
        """Number of received bytes that are already charged to the quota."""
        self.is_cut = False
        """True if the transfer was cut off, because a blob of unknown length exceeds the remaining quota."""


class BlobFetcher:
    """Fetcher of the blobs of documents that a peer sends."""

    def __init__(
        self,
        session: Session,
        database: Database,
        *,
        ledger: Ledger,
        proves: bool,
        quota: Callable[[], Quota | None] = lambda: None,
    ) -> None:
        self._session, self._database, self._ledger, self._proves = session, database, ledger, proves
        self._quota = quota
        self._transfers: dict[str, _Transfer] = {}
        self._queue: deque[_Transfer] = deque()
        self._active = 0
        self._open_nonces = open_nonces(database)
        self._proving: dict[str, list[_Waiting]] = {}
        """Documents that wait for a proof that the peer has a blob, by the blob's digest."""
        self._unanswered: dict[str, tuple[bytes, float]] = {}
        """Nonce and time of each unanswered request for proof, by the blob's digest, oldest first."""
        self._proof_at = float("-inf")
        """Time at which the last proof arrived."""
        self._proven: dict[str, None] = {}
        """Digests of the blobs that the peer has proved to have, oldest first."""
        session.at_end(self._close)

    @property
    def deadline(self) -> float | None:
        """Time at which to call `pump`; None if the peer has answered all requests for proof."""
        return None if not self._unanswered else self._due(next(iter(self._unanswered)))

    def _due(self, digest: str) -> float:
        """Return the time at which an unanswered request for proof of a blob fails.

        Each proof received from the peer, for any blob, postpones this time.
        """
        return max(self._unanswered[digest][1], self._proof_at) + limits.PROOF_WITHIN

    def pump(self) -> None:
        """Report a temporary failure of each document with an overdue proof, and start further fetches."""
        now = self._session.clock()
        for digest in list(self._unanswered):
            if digest not in self._unanswered:
                continue  # A document failed because of another blob, and its callback ended the session.
            if now < self._due(digest):
                return
            self._ask_no_more(digest)
            text = (
                f"blob {digest}: the peer has not proved within {limits.PROOF_WITHIN:g} s that it has the"
                " blob"
            )
            self._judged(digest, MessageError(text, code=HTTPStatus.SERVICE_UNAVAILABLE))

    def fetch(self, blobs: Mapping[str, BlobInfo], document_id: str, then: Fetched, context: Any) -> None:
        """Fetch the missing blobs of a document, and request proofs for blobs that are already stored here.

        When this is done, `then` is called with the error, or None if there was none, and with `context`. If
        there is nothing to fetch or to prove, `then` is called at once.
        """
        store = self._database.blobs
        missing: list[str] = []
        present: list[str] = []
        try:
            for digest in blobs:
                (present if store.has(digest) else missing).append(digest)
        except BlobError as error:
            then(MessageError(f"{document_id}: {error}"), context)
            return
        present = [digest for digest in present if self._proves and digest not in self._proven]
        waiting = _Waiting(len(missing) + len(present), then, context)
        if not waiting.left:
            then(None, context)
            return
        if (objection := self._objection(missing, blobs, document_id)) is not None:
            then(objection, context)
            return
        for digest in missing:
            transfer = self._transfers.get(digest)
            if transfer is None:
                transfer = self._transfers[digest] = _Transfer(digest, blobs[digest], document_id)
                self._queue.append(transfer)
            transfer.waiting.append(waiting)
        for digest in present:
            self._ask_for_proof(digest, document_id, waiting)
        self._begin()

    def _objection(
        self, missing: Collection[str], blobs: Mapping[str, BlobInfo], document_id: str
    ) -> MessageError | None:
        quota = self._quota()
        lengths = [blobs[digest].length for digest in missing]
        size = sum(length or 0 for length in lengths)  # a blob of unknown length is charged as it arrives
        return None if quota is None or not missing else quota.blob_objection(document_id, size)

    def _begin(self) -> None:
        while self._queue and self._active < limits.BLOBS_AT_ONCE and not self._session.is_over:
            transfer = self._queue.popleft()
            # Check again, because other blobs of the same owner may have used up the quota by now.
            objection = self._objection(
                [transfer.digest], {transfer.digest: transfer.info}, transfer.document_id
            )
            if objection is not None:
                del self._transfers[transfer.digest]
                for waiting in transfer.waiting:
                    waiting.one_less(objection)
                continue
            self._active += 1
            transfer.writer = self._database.blobs.writer()
            announced = transfer.info.length
            most = limits.BLOB_BYTES if announced is None else min(announced, limits.BLOB_BYTES)

            def take(piece: bytes, transfer: _Transfer = transfer, most: int = most) -> None:
                transfer.arrived += len(piece)
                if transfer.arrived <= most and self._has_room(transfer, len(piece)):
                    assert transfer.writer is not None
                    transfer.writer.write(piece)
                elif transfer.arrived > limits.BLOB_BYTES:
                    text = f"the peer sends more than {limits.BLOB_BYTES} bytes of a blob"
                    self._session.end(Problem(Domain.BLIP, CloseCode.TOO_BIG, text))

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
        self._charge(transfer)
        error: MessageError | None = None
        if transfer.is_cut:
            writer.close()
            error = self._too_much(transfer)
        elif isinstance(reply, ErrorReceived):
            writer.close()
            failure = Failure.decode(reply)
            status = failure.status or HTTPStatus.BAD_GATEWAY
            error = MessageError(
                f"blob {transfer.digest}: the peer refuses to send the blob: {failure.text}", code=status
            )
        else:
            try:
                writer.finish(transfer.digest)
                self._ledger.progress.blobs_pulled += 1
            except BlobError as broken:
                is_longer = transfer.info.length is not None and transfer.arrived > transfer.info.length
                code = (
                    HTTPStatus.BAD_REQUEST if is_longer else HTTPStatus.BAD_GATEWAY
                )  # a wrong length is an error in the document
                error = MessageError(f"{transfer.document_id}: {broken}", code=code)
        for waiting in transfer.waiting:
            waiting.one_less(error)
        self._begin()

    def _charge(self, transfer: _Transfer) -> None:
        """Charge the received bytes of a blob to the peer's quota.

        The bytes of an invalid blob are charged too, because writing them to the card causes wear.
        """
        left, transfer.charged = transfer.arrived - transfer.charged, transfer.arrived
        if left and (quota := self._quota()) is not None:
            quota.charge(left, revisions=0)

    def _has_room(self, transfer: _Transfer, size: int) -> bool:
        """Return True if the quota allows a received piece of a blob to be written.

        If the blob's length is unknown, its pieces are charged to the quota as they arrive. So the combined
        transfers of an owner stay within the daily allowance.
        """
        if transfer.info.length is not None or (quota := self._quota()) is None:
            return True
        transfer.is_cut = transfer.is_cut or size > quota.room
        if not transfer.is_cut:
            self._charge(transfer)
        return not transfer.is_cut

    def _too_much(self, transfer: _Transfer) -> MessageError:
        quota = self._quota()
        objection = None if quota is None else quota.blob_objection(transfer.document_id, transfer.arrived)
        if objection is not None:
            return objection  # None means that the quota's next day has begun in the meantime
        text = f"{transfer.document_id}: the document's blob is larger than the limit"
        return MessageError(text, code=HTTPStatus.SERVICE_UNAVAILABLE)

    def _ask_for_proof(self, digest: str, document_id: str, waiting: _Waiting) -> None:
        known = self._proving.get(digest)
        if known is not None:
            known.append(waiting)
            return
        self._proving[digest] = [waiting]
        nonce = secrets.token_bytes(NONCE_BYTES)
        self._unanswered[digest] = nonce, self._session.clock()
        self._open_nonces.add(nonce)
        self._session.request(
            ProveAttachment(digest, nonce, document_id, self._session.collection).encode(),
            self._answered,
            (digest, nonce),
        )

    def _answered(self, reply: Reply, question: tuple[str, bytes]) -> None:
        digest, nonce = question
        if self._unanswered.get(digest, (None, 0.0))[0] != nonce:
            return  # Too late: we may have sent the same proof to other peers in the meantime.
        self._ask_no_more(digest)
        self._proof_at = self._session.clock()
        if isinstance(reply, ErrorReceived):
            text = f"blob {digest}: the peer does not prove that it has the blob"
            self._judged(digest, MessageError(text, code=HTTPStatus.FORBIDDEN))
            return
        received = ProveAttachmentReply.decode(reply, self._session.limits).proof
        try:
            self._session.work.add(self._comparing(received, digest, nonce))
        except MessageError as error:
            self._judged(digest, error)

    def _comparing(self, received: str, digest: str, nonce: bytes) -> Generator[int, None, None]:
        """Compute the expected proof of a stored blob, and compare the received proof with it.

        This runs as a job.
        """
        expected, error = Proof(nonce), None
        try:
            for piece in self._database.blobs.pieces(digest, limits.WORK_SLICE // 2):
                expected.add(piece)
                yield 2 * len(piece)
            if not secrets.compare_digest(received, str(expected)):
                error = MessageError(f"blob {digest}: the peer's proof is wrong", code=HTTPStatus.FORBIDDEN)
        except BlobError:
            error = MessageError(
                f"blob {digest} is no longer stored here", code=HTTPStatus.SERVICE_UNAVAILABLE
            )
        self._judged(digest, error)

    def _judged(self, digest: str, error: MessageError | None) -> None:
        if error is None:
            while len(self._proven) >= limits.PROOFS_KEPT:
                del self._proven[next(iter(self._proven))]
            self._proven[digest] = None
        for waiting in self._proving.pop(digest, ()):
            waiting.one_less(error)

    def _ask_no_more(self, digest: str) -> None:
        self._open_nonces.discard(self._unanswered.pop(digest)[0])

    def _close(self) -> None:
        for transfer in self._transfers.values():
            if transfer.writer is not None:
                transfer.writer.close()
                self._charge(transfer)
        self._transfers.clear()
        self._queue.clear()
        for digest in list(self._unanswered):
            self._ask_no_more(digest)


class BlobServer:
    """Handler of a peer's requests for blobs, and for proofs that we have a blob."""

    def __init__(self, session: Session, database: Database, *, ledger: Ledger, access: BlobAccess) -> None:
        """Register the handlers for the peer's requests. `access` decides which blobs the peer may fetch."""
        self._session, self._database, self._ledger = session, database, ledger
        self._access = access
        self._open: set[_File] = set()
        self._opening = 0
        """Number of blobs whose digests are being checked before they are sent."""
        session.at_end(self._close)
        session.handle(GetAttachment, self._get)
        session.handle(ProveAttachment, self._prove)

    def _get(self, request: GetAttachment, event: RequestReceived) -> None:
        if event.no_reply:
            return
        self._access.check(request.digest, request.document_id)
        if len(self._open) + self._opening >= limits.FILES_OPEN:
            raise MessageError(
                "too many blobs requested at once; request fewer at a time",
                code=HTTPStatus.SERVICE_UNAVAILABLE,
            )
        self._session.work.add(self._sending(request, event))
        self._opening += 1

    def _sending(self, request: GetAttachment, event: RequestReceived) -> Generator[int, None, None]:
        """Check the digest of a stored blob, then send the blob. This runs as a job."""
        try:
            for piece in self._database.blobs.pieces(request.digest, limits.WORK_SLICE):
                yield len(piece)
            file = _File(self._database.blobs.reopen(request.digest), self._open)
        except BlobError as error:
            self._session.refuse(event, self._missing(request.digest, error))
            return
        finally:
            self._opening -= 1
        self._ledger.progress.blobs_pushed += 1
        self._session.connection.send_response(event.number, {}, file, compressed=request.compress)

    def _prove(self, request: ProveAttachment, event: RequestReceived) -> None:
        self._access.check_proof(request.digest, request.document_id, request.nonce)
        self._session.work.add(self._proving(request, event))

    def _proving(self, request: ProveAttachment, event: RequestReceived) -> Generator[int, None, None]:
        """Compute the proof that we have a blob, then send it. This runs as a job."""
        proof = Proof(request.nonce)
        try:
            for piece in self._database.blobs.pieces(request.digest, limits.WORK_SLICE // 2):
                proof.add(piece)
                yield 2 * len(piece)
            self._access.check_proof(request.digest, request.document_id, request.nonce)
        except BlobError as error:
            self._session.refuse(event, self._missing(request.digest, error))
        except MessageError as error:  # the peer lost access, or we have requested the same proof ourselves
            self._session.refuse(event, error)
        else:
            self._session.respond(event, ProveAttachmentReply(str(proof)).encode())

    def _missing(self, digest: str, error: BlobError) -> MessageError:
        """Return the error to send to the peer for a missing or damaged blob.

        The error does not reveal the blob's local path.
        """
        if self._database.blobs.has(digest):
            log.warning("%s", error)
        return MessageError(f"blob {digest} is not stored here", code=HTTPStatus.NOT_FOUND)

    def _close(self) -> None:
        for file in list(self._open):
            file.close()


class _File:
    """An open blob file that is closed automatically once it has been read to its end."""

    def __init__(self, file: BinaryIO, among: "set[_File]") -> None:
        self._file, self._among = file, among
        among.add(self)

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; empty at the end of the file."""
        if self._file.closed:
            return b""
        read = self._file.read(size)
        if not read:
            self.close()
        return read

    def close(self) -> None:
        """Close the file. If it is already closed, do nothing."""
        self._file.close()
        self._among.discard(self)
