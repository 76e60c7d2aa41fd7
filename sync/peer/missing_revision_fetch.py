"""Asks for what the peer holds of a document where its feed does not bring it.

A peer refuses a change because of a revision which it holds. As a rule our own pull brings that, or has
brought it long ago. But what was told before the checkpoint may be unknown here: an ancestor far below that
was pruned, if the peer was put back to an earlier state; or it was purged. Once the pull has nothing more to
bring, what is still unknown is asked for by itself. It comes without its history, and is resolved as a
conflict is.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from sync.blip import HTTP_DOMAIN, ErrorReceived
from sync.peer.outcomes import TRANSIENT
from sync.peer.receiver import Receiver
from sync.peer.session import Reply, Session
from sync.replication.messages import Failure, GetRev, GetRevReply, MessageError
from sync.store import Database

from . import limits

_CONFLICT: Final = 409


@dataclass(frozen=True, slots=True)
class _Question:
    document_id: str
    revision: str | None
    """None if the peer has not said which it holds."""
    due: float
    answered: Callable[[str | None], None]
    failed: Callable[[Failure], None]


class Inquiry:
    """What is asked for on one session; of each document once, since a peer may always have yet another."""

    def __init__(
        self, session: Session, database: Database, receiver: Receiver, *, patience: float = 0.0
    ) -> None:
        """`patience`: seconds in which the feed may still bring what the peer has only just stored."""
        self._session, self._database, self._receiver = session, database, receiver
        self._patience = patience
        self._waiting: deque[_Question] = deque()
        self._asked: dict[str, None] = {}
        """Documents that were asked for, in that order."""
        self._open = 0
        self._given_up: Failure | None = None
        """Why nothing is asked any more."""

    @property
    def is_idle(self) -> bool:
        """Whether every question is answered."""
        return not (self._waiting or self._open)

    @property
    def deadline(self) -> float | None:
        """When `pump` has something to do even if nothing happens."""
        return self._waiting[0].due if self._waiting and self._may_ask else None

    @property
    def _may_ask(self) -> bool:
        """Whether nothing that is on its way may still bring it; what comes is a reason to look again."""
        receiver = self._receiver
        return self._open < limits.BATCH and receiver.is_caught_up and (self._open > 0 or receiver.is_idle)

    def about(
        self,
        document_id: str,
        revision: str | None,
        answered: Callable[[str | None], None],
        failed: Callable[[Failure], None],
    ) -> None:
        """Have the revision that the peer holds of a document, unless it is here or comes by the feed.

        `answered` is called with it when it is here, `failed` with the reason why it cannot be had.
        """
        if self._given_up is not None:
            failed(self._given_up)
            return
        if len(self._waiting) >= limits.QUESTIONS_WAITING:
            text = f"{len(self._waiting)} other conflicts wait to be resolved"
            failed(Failure(HTTP_DOMAIN, _CONFLICT, text))
            return
        due = self._session.clock() + self._patience
        self._waiting.append(_Question(document_id, revision, due, answered, failed))

    def forget(self, document_id: str) -> None:
        """Allow a document to be asked for again."""
        self._asked.pop(document_id, None)

    def give_up(self, failure: Failure) -> None:
        """Tell everything that waits that it cannot be had, for this reason, and everything from now on."""
        self._given_up = failure
        waiting, self._waiting = self._waiting, deque()
        for question in waiting:
            question.failed(failure)

    def pump(self) -> None:
        """Ask what is to be asked now."""
        receiver = self._receiver
        while self._waiting and self._open < limits.BATCH and receiver.is_caught_up:
            question = self._waiting[0]
            if question.revision is not None and self._is_known(question.document_id, question.revision):
                self._waiting.popleft()
                question.answered(question.revision)
                continue
            if question.document_id in self._asked:
                self._waiting.popleft()
                question.failed(Failure(HTTP_DOMAIN, _CONFLICT, "it has been asked for, and is another now"))
                continue
            if question.due > self._session.clock() or not self._may_ask:
                return  # it may come yet
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
        if isinstance(reply, ErrorReceived):  # it has gone, or the peer does not know such questions
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
        if failure.status in TRANSIENT:
            self.forget(question.document_id)
        question.failed(failure)
