"""Handling of changes that the peer rejects as conflicts (409).

    rejected ──► our branch includes the peer's revision      ──► propose the change again, as its successor
            ──► the peer is on a branch that was closed here ──► propose it again, and send a tombstone first
            ──► the same replication pulls                   ──► wait for the peer's revision, and resolve
            ──► none of these                                ──► report the document as failed

A revision is sent only immediately after the peer has requested it. Couchbase Lite closes the connection
(4002) if it receives a revision that it has not requested. So each solution begins with a new proposal. No
solution is tried twice for the same revision of the peer (`attempts`). If no solution works, the change is
reported as failed. A continuous replication proposes the change again later, and may then try every solution
again.
"""

from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import Final

from sync.blip import HTTP_DOMAIN, ErrorReceived
from sync.peer.attempts import Attempts
from sync.peer.problems import Problem
from sync.peer.session import Reply, Session
from sync.replication.errors import TRANSIENT_STATUSES
from sync.replication.messages import Failure, GetRev
from sync.store import Database, model, revisions

from . import limits
from .send_outcomes import SendOutcomes
from .sender_types import ChangeInFlight, OfferedChange, SendOptions

_NO_PARENT: Final = ""
_ARRIVED: Final = "arrived"
_ONTO: Final = "onto "
_ALONE: Final = "alone "
_AGAIN: Final = "again"


class PushConflicts:
    """Handler of those changes in one feed that the peer rejects as conflicts."""

    def __init__(
        self,
        session: Session,
        database: Database,
        *,
        options: SendOptions,
        outcomes: SendOutcomes,
        attempts: Attempts,
        propose: Callable[[OfferedChange], None],
        offer: Callable[[model.DocumentChange], OfferedChange],
    ) -> None:
        """Create a handler with no waiting changes.

        Args:
            session: the session with the peer.
            database: the store.
            options: the options for sending.
            outcomes: the outcomes of changes.
            attempts: the solutions tried for each revision.
            propose: proposes a change again.
            offer: returns the offer with which a change is first proposed.
        """
        self._session, self._database = session, database
        self._options, self._outcomes, self._attempts = options, outcomes, attempts
        self._propose, self._offer = propose, offer
        self._told_again = Attempts(revisions=limits.ATTEMPTS_KEPT, ways=1)
        """Changes that were proposed twice, because the peer is on a branch that was closed here."""
        self._given_up: Problem | None = None
        """Reason why the pull cannot resolve conflicts; None while conflicts wait for the pull."""
        self.asking = 0
        """Number of unanswered requests for the peer's current revision of a document."""

    def give_up(self, options: SendOptions, problem: Problem) -> None:
        """Stop waiting for the pull to receive the peer's revisions. Waiting changes fail with `problem`."""
        inquirer, self._options = self._options.inquirer, options
        self._given_up = problem
        if inquirer is not None:
            inquirer.give_up(Failure(HTTP_DOMAIN, problem.code, problem.text))

    def forget(self, change: model.DocumentChange) -> None:
        """Remove the record of the solutions tried for a change, so that all of them may be tried again."""
        self._attempts.forget(change.id, change.rev)
        if self._options.inquirer is not None:
            self._options.inquirer.forget(change.id)

    def again(self, change: model.DocumentChange) -> None:
        """Propose a change a second time, because the peer is still on a branch that was closed here.

        If the change has already been proposed a second time, record it as done.
        """
        if self._told_again.is_first(change.id, change.rev, _AGAIN):
            self._propose(self._offer(change))
        else:
            self._outcomes.done(change)

    def refused(self, offer: OfferedChange, current: str | None) -> None:
        """Handle a proposal that the peer has rejected as a conflict.

        `current` is the peer's own revision, or None if the peer has not reported it.
        """
        change = _main(offer.change, offer.plan)
        if current is None:
            if offer.parent is not None and self._is_first(change, _NO_PARENT):
                # Couchbase Lite rejects a proposal whose parent it does not have.
                self._propose(OfferedChange(change))
            else:
                self._conflict(change, None)
            return
        if current == change.rev:
            self._outcomes.hold(change.id, change.rev)
            self._outcomes.confirmed(change)
            return
        revision = self._database.revision(change.id, change.rev, ancestors=(current,))
        if revision is None:
            # A newer change has replaced this one, and the feed contains the newer change.
            self._outcomes.done(change)
        elif current in revision.history:
            self._try(OfferedChange(change, current), current)
        elif self._database.policy.is_single_writer(change.id):
            self._overtake(change, current)
        elif self._is_current(change) and (closing := self._closing(change, current)) is not None:
            self._try(closing, current)
        else:
            self._conflict(change, current)

    def refused_on_arrival(self, sending: ChangeInFlight) -> None:
        """Handle a revision that the peer requested and then rejected as a conflict."""
        change = _main(sending.change, sending)
        parent = sending.ancestors[0] if sending.ancestors else None
        if change.deleted and parent is None and self._was_tried(change, _NO_PARENT):
            self._outcomes.done(change)  # the document is already deleted at the peer
        elif self._replaces(sending, change, parent):
            # The peer does not support tombstones of branches, so our revision must replace the peer's.
            assert parent is not None
            plan = ChangeInFlight(change, (parent,), size=change.size, onto=parent)
            self._try(OfferedChange(change, parent, plan=plan), _ONTO + parent)
        elif sending.forks and not sending.then and self._is_first(change, _ALONE + (parent or "")):
            plan = ChangeInFlight(
                change, sending.ancestors, size=change.size, forks=sending.forks, attempts=1
            )
            self._propose(OfferedChange(change, parent, plan=plan))
        elif self._is_first(change, _ARRIVED):
            self._propose(self._offer(change))  # the peer's document has changed since the request
        else:
            self._conflict(change, None)

    # Solutions

    def _replaces(self, sending: ChangeInFlight, change: model.DocumentChange, parent: str | None) -> bool:
        """Return True if a revision that was rejected on arrival can be sent as the successor of `parent`."""
        is_other_branch = sending.closes or (sending.forks and not self._options.is_gateway)
        return bool(is_other_branch) and parent is not None and _follows(change, parent)

    def _try(self, offer: OfferedChange, key: str) -> None:
        if self._is_first(offer.plan.change if offer.plan is not None else offer.change, key):
            self._propose(offer)
        else:
            self._conflict(_main(offer.change, offer.plan), None)

    def _was_tried(self, change: model.DocumentChange, solution: str) -> bool:
        return self._attempts.was_tried(change.id, change.rev, solution)

    def _is_first(self, change: model.DocumentChange, solution: str) -> bool:
        return self._attempts.is_first(change.id, change.rev, solution)

    def _overtake(self, change: model.DocumentChange, current: str) -> None:
        """Propose to replace the peer's revision of a single-writer document, if that revision is older.

        A single-writer document has no branches, so the peer's revision is either older or newer than ours.
        If the peer's revision is newer, the change is recorded as done.
        """
        if revisions.newer(change.rev, current):
            plan = ChangeInFlight(change, (current,), size=change.size, onto=current)
            self._try(OfferedChange(change, current, plan=plan), current)
        else:
            self._outcomes.done(change)

    def _closing(self, change: model.DocumentChange, current: str) -> OfferedChange | None:
        """Return an offer to send a change after the tombstone that closed the peer's branch here.

        Return None if the peer's branch was not closed here.
        """
        for leaf in self._database.leaves(change.id)[1:]:
            if not leaf.deleted:
                continue
            revision = self._database.revision(change.id, leaf.rev, ancestors=(current,))
            if revision is None or not (leaf.rev == current or current in revision.history):
                continue
            if not self._options.is_gateway and leaf.rev != current:
                closes = (leaf.rev, *revision.history)
                return OfferedChange(
                    change, current, plan=ChangeInFlight(change, (current,), size=change.size, closes=closes)
                )
            line = self._database.revision(change.id, leaf.rev)
            forks = frozenset(() if line is None else line.history)
            following = ChangeInFlight(change, (leaf.rev,), as_delta=False, size=change.size, forks=forks)
            if leaf.rev == current:
                return None if change.deleted else OfferedChange(change, current, plan=following)
            tombstone = model.DocumentChange(change.sequence, change.id, leaf.rev, True, False, len(leaf.raw))
            return OfferedChange(
                tombstone, current, plan=ChangeInFlight(tombstone, (current,), then=following)
            )
        return None

    # Waiting for the pull

    def _conflict(self, change: model.DocumentChange, current: str | None) -> None:
        if not self._is_current(change):
            self._outcomes.done(change)  # the tombstone of a branch that the peer is not on
        elif change.deleted and self._is_deletion(change.id, current):
            self._outcomes.done(change)
        elif self._options.inquirer is not None:
            # Our own pull receives or has received the peer's revision. The resolution will be a new change.
            self._options.inquirer.about(
                change.id,
                current,
                partial(self._revision_arrived, change),
                partial(self._revision_withheld, change),
            )
        elif change.deleted:
            request = GetRev(change.id, collection=self._session.collection)
            self.asking += 1
            self._session.request(request.encode(), self._current_received, change)
        else:
            text = f"{change.id}: the peer has a different revision; pull to resolve the conflict"
            self._outcomes.failed_until_next(change, HTTPStatus.CONFLICT, text)

    def _revision_arrived(self, change: model.DocumentChange, current: str | None) -> None:
        """Continue with a rejected change after the peer's revision was stored here."""
        document = self._database.get(change.id)
        if document is None or document.sequence != change.sequence:
            self._outcomes.done(change)  # the conflict was resolved, and the result is another change
            return
        revision = None
        if current is not None:
            revision = self._database.revision(change.id, change.rev, ancestors=(current,))
        if revision is not None and current in revision.history and self._is_first(change, current or ""):
            self._propose(OfferedChange(change, current))
        elif change.deleted and self._is_deletion(change.id, current):
            self._outcomes.done(change)
        else:
            text = (
                f"{change.id}: conflicts with the peer's revision {current}, which the peer does not replace"
            )
            self._outcomes.failed_until_next(
                change, HTTPStatus.CONFLICT, f"{text}; edit the document to resolve the conflict"
            )

    def _current_received(self, reply: Reply, change: model.DocumentChange) -> None:
        """Process the peer's reply, which contains its revision of a document that is deleted here."""
        self.asking -= 1
        if isinstance(reply, ErrorReceived):
            self._revision_withheld(change, Failure.decode(reply))
        else:
            text = f"{change.id}: the peer has a different revision; pull to resolve the conflict"
            self._outcomes.failed_until_next(change, HTTPStatus.CONFLICT, text)

    def _revision_withheld(self, change: model.DocumentChange, failure: Failure) -> None:
        """Continue with a rejected change after the peer's revision could not be obtained."""
        is_missing = change.deleted and failure.status == HTTPStatus.NOT_FOUND
        if not self._is_current(change):
            self._outcomes.done(change)
        elif self._given_up is not None:
            text = f"{change.id}: conflicts with the peer's revision, and {self._given_up.text}"
            self._outcomes.failed_until_next(change, HTTPStatus.CONFLICT, text)
        elif is_missing and self._options.is_gateway and not failure.is_unhandled:
            self._outcomes.done(change)  # deleted on both sides
        elif is_missing and self._is_first(change, _NO_PARENT):
            # The document is deleted or not readable at the peer, or the peer does not support such requests.
            # All peers except gateways accept a change without a parent if their own document is deleted.
            self._propose(OfferedChange(change))
        elif failure.status in TRANSIENT_STATUSES:
            self._outcomes.failed_transiently(
                ChangeInFlight(change, size=change.size), failure.status, failure.text
            )
        else:
            reason = failure.text or failure.status or failure.code
            text = (
                f"{change.id}: conflicts with the peer's revision, which the peer does not send"
                f" ({reason}); resolve the conflict at the peer, or edit the document there"
            )
            self._outcomes.failed_until_next(change, HTTPStatus.CONFLICT, text)

    def _is_deletion(self, document_id: str, revision: str | None) -> bool:
        """Return True if a revision is stored here as a deleted leaf."""
        return any(leaf.rev == revision and leaf.deleted for leaf in self._database.leaves(document_id))

    def _is_current(self, change: model.DocumentChange) -> bool:
        current, _ = self._database.current([change.id]).get(change.id, (None, False))
        return current == change.rev


def _main(change: model.DocumentChange, plan: ChangeInFlight | None) -> model.DocumentChange:
    """Return the change to propose after a branch's tombstone; for any other change, the change itself."""
    return change if plan is None or plan.then is None else plan.then.change


def _follows(change: model.DocumentChange, parent: str) -> bool:
    return revisions.generation(change.rev) > revisions.generation(parent)
