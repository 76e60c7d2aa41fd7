"""Requests for individual documents whose revision at the peer does not arrive with the peer's feed.

When a peer rejects a change as a conflict, the peer has a different revision of the document. Normally our
own pull receives that revision, or has received it before. But a revision that was announced before the
checkpoint may be unknown here, for one of two reasons. Either it was purged here. Or the peer was restored to
an earlier state, and the revision is a distant ancestor that was pruned here. When the pull is complete, each
revision that is still unknown is requested individually. It arrives without its history. The conflict is then
resolved like any other.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from sync.blip import HTTP_DOMAIN, ErrorReceived
from sync.peer.receiver import ChangeReceiver
from sync.peer.session import Reply, Session
from sync.replication.errors import TRANSIENT_STATUSES
from sync.replication.messages import Failure, GetRev, GetRevReply, MessageError
from sync.store import Database

from . import limits


@dataclass(frozen=True, slots=True)
class _Question:
    document_id: str
    revision: str | None
    """The peer's revision; None if the peer has not reported it."""
    due: float
    answered: Callable[[str | None], None]
    failed: Callable[[Failure], None]


class MissingRevisionFetch:
    """Queue of one session's requests for missing revisions.

    At most one request is made for each document, because a peer could report a different revision each time.
    """

    def __init__(
        self, session: Session, database: Database, receiver: ChangeReceiver, *, patience: float = 0.0
    ) -> None:
        """Create an empty queue of requests.

        `patience` is a time in seconds. A revision that the peer has just stored is not requested before this
        time has passed, because the revision may still appear in the feed.
        """
        self._session, self._database, self._receiver = session, database, receiver
        self._patience = patience
        self._waiting: deque[_Question] = deque()
        self._asked: dict[str, None] = {}
        """Ids of the documents that were requested, in the order of the requests."""
        self._open = 0
        self._given_up: Failure | None = None
        """Reason why no more revisions are requested; None while revisions are requested."""

    @property
    def is_idle(self) -> bool:
        """True if every request has been answered."""
        return not (self._waiting or self._open)

    @property
    def deadline(self) -> float | None:
        """Time at which to call `pump` unless a message arrives earlier; None if no call is needed."""
        return self._waiting[0].due if self._waiting and self._may_ask else None

    @property
    def _may_ask(self) -> bool:
        """True if a missing revision may be requested, because it can no longer arrive with data in flight.

        The condition is checked again whenever a revision arrives.
        """
        receiver = self._receiver
        return self._open < limits.BATCH and receiver.is_caught_up and (self._open > 0 or receiver.is_idle)

    def about(
        self,
        document_id: str,
        revision: str | None,
        answered: Callable[[str | None], None],
        failed: Callable[[Failure], None],
    ) -> None:
        """Request the peer's revision of a document, unless it is stored here or arrives with the feed.

        Args:
            document_id: the document's id.
            revision: the peer's revision; None if the peer has not reported it.
            answered: called with the revision id once the revision is stored here.
            failed: called with the reason if the revision cannot be obtained.
        """
        if self._given_up is not None:
            failed(self._given_up)
            return
        if len(self._waiting) >= limits.QUESTIONS_WAITING:
            text = f"{len(self._waiting)} other conflicts are waiting to be resolved"
            failed(Failure(HTTP_DOMAIN, HTTPStatus.CONFLICT, text))
            return
        due = self._session.clock() + self._patience
        self._waiting.append(_Question(document_id, revision, due, answered, failed))

    def forget(self, document_id: str) -> None:
        """Allow a document to be requested again, although it was requested before."""
        self._asked.pop(document_id, None)

    def give_up(self, failure: Failure) -> None:
        """Report `failure` as the outcome of all waiting requests, and of all later ones."""
        self._given_up = failure
        waiting, self._waiting = self._waiting, deque()
        for question in waiting:
            question.failed(failure)

    def pump(self) -> None:
        """Send the requests for missing revisions that are due."""
        receiver = self._receiver
        while self._waiting and self._open < limits.BATCH and receiver.is_caught_up:
            question = self._waiting[0]
            if question.revision is not None and self._is_known(question.document_id, question.revision):
                self._waiting.popleft()
                question.answered(question.revision)
                continue
            if question.document_id in self._asked:
                self._waiting.popleft()
                question.failed(
                    Failure(
                        HTTP_DOMAIN, HTTPStatus.CONFLICT, "the document has changed since it was requested"
                    )
                )
                continue
            if question.due > self._session.clock() or not self._may_ask:
                return  # the revision may still arrive
            self._waiting.popleft()
            self._note_asked(question.document_id)
            self._open += 1
            request = GetRev(question.document_id, collection=self._session.collection)
            self._session.request(request.encode(), self._replied, question)

    def _note_asked(self, document_id: str) -> None:
        while len(self._asked) >= limits.QUESTIONS_WAITING:
            del self._asked[next(iter(self._asked))]
        self._asked[document_id] = None

    def _is_known(self, document_id: str, revision: str) -> bool:
        (ancestors,) = self._database.missing([(document_id, revision)])
        return ancestors is None

    def _replied(self, reply: Reply, question: _Question) -> None:
        if self._given_up is not None:
            self._ended(question, None, self._given_up)
            return
        if isinstance(reply, ErrorReceived):  # the peer lacks the document or does not support the request
            self._ended(question, None, Failure.decode(reply))
            return
        answer = GetRevReply.decode(reply, self._session.limits)
        self._receiver.asked_for(
            question.document_id,
            answer.revision,
            answer.body,
            lambda error: self._stored(question, answer.revision, error),
        )

    def _stored(self, question: _Question, revision: str, error: MessageError | None) -> None:
        failure = None if error is None else Failure(error.domain, error.code, error.text)
        self._ended(question, revision, failure)

    def _ended(self, question: _Question, revision: str | None, failure: Failure | None) -> None:
        self._open -= 1
        if failure is None:
            question.answered(revision)
            return
        if failure.status in TRANSIENT_STATUSES:
            self.forget(question.document_id)
        question.failed(failure)
