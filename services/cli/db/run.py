"""Runs one replication for `logboat db push|pull|sync`, and reports its progress.

On standard output, a one-shot replication prints its counts at the end, and a continuous one prints a line
for each change of state. Documents that failed are listed on standard error. If standard error is a terminal,
it also shows a line with running counts.
"""

import asyncio
import contextlib
import errno
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from msgspec import UNSET, UnsetType

from sensors.plaintext import clean, steer
from sensors.units import format_bytes
from services.console.errors import FailedError
from services.console.output import print_json, say
from services.terminal.present import count, screen, thousands
from sync.blip.close_codes import CloseCode
from sync.net.replicator import Replicator, ReplicatorConfiguration, Status
from sync.peer.active import Activity
from sync.peer.problems import Domain, Problem
from sync.peer.progress import DocumentEnded, Progress

if TYPE_CHECKING:
    from services.schemas.database import DbReplication, FailedDocument

LOOK_EVERY_S: Final = 0.2
"""Interval between updates of the counts on a terminal, in seconds.

Whether the replication is idle is checked at the same interval.
"""
STOP_WITHIN_S: Final = 10.0
"""Maximum time to finish transfers in progress after a signal, in seconds.

If the client is still connecting, the limit is lower (`STOP_CONNECTING_WITHIN_S`).
"""
STOP_CONNECTING_WITHIN_S: Final = 1.0

ERASE_LINE: Final = "\r\x1b[K"

ADVICE: Final[dict[tuple[Domain, int], str]] = {
    (Domain.POSIX, errno.ECONNREFUSED): "check that a listener is running at this address and port",
    (Domain.WEBSOCKET, HTTPStatus.UNAUTHORIZED): "check --user and --password-file (or --cert and --key)",
    (
        Domain.WEBSOCKET,
        403,
    ): "ask the operator of the listener for access rights; the listener may require --cert and --key",
    (Domain.WEBSOCKET, HTTPStatus.NOT_FOUND): "check the database's name, the last part of the URL",
    (
        Domain.WEBSOCKET,
        CloseCode.ABNORMAL,
    ): ("the listener may accept only TLS (wss://), or require --cert and --key"),
}
"""Advice about failed connections, by error domain and code.

TLS errors have no codes; `_advice` handles them.
"""


def run(configuration: ReplicatorConfiguration, *, as_json: bool) -> int:
    """Replicate until all documents are transferred or a signal arrives, and return the exit status.

    Raise FailedError if the replication fails.
    """
    return asyncio.run(_Run(configuration, as_json=as_json).run())


class _Run:
    """A replication whose progress is reported on the terminal."""

    def __init__(self, configuration: ReplicatorConfiguration, *, as_json: bool) -> None:
        self._configuration = configuration
        self._as_json = as_json
        self._replicator = Replicator(
            configuration, on_status=self._changed, on_documents=self._documents_ended
        )
        self._failed: dict[str, DocumentEnded] = {}
        self._new_failures: list[DocumentEnded] = []
        self._said: tuple[object, ...] = ()
        self._was_offline = False
        self._half: Problem | None = None
        """Last reported reason why only one direction of the replication works; None if both work."""
        self._is_stopping = False
        self._attempts = 0
        terminal = screen(sys.stderr)
        self._line_width = terminal.width - 1 if terminal.is_terminal and not as_json else 0
        self._has_line = False

    async def run(self) -> int:
        """Replicate until the replication ends, and return the exit status."""
        replicator = self._replicator
        asked = asyncio.Event()
        with signals(asked.set):
            replicator.start()
            ending = asyncio.create_task(replicator.wait())
            stopping = asyncio.create_task(asked.wait())
            try:
                while not ending.done() and not asked.is_set():
                    await asyncio.wait(
                        (ending, stopping), timeout=LOOK_EVERY_S, return_when=asyncio.FIRST_COMPLETED
                    )
                    self._look()
            finally:
                stopping.cancel()
            if asked.is_set() and not ending.done():
                await self._stop()
            await asyncio.wait((ending,))
        status = replicator.status if ending.cancelled() else ending.result()
        self._clear_line()
        return self._concluded(status)

    async def _stop(self) -> None:
        """Stop the replication after transfers in progress, or after a time limit if the peer is silent."""
        self._is_stopping = True
        is_connecting = self._replicator.status.activity is Activity.CONNECTING
        patience = STOP_CONNECTING_WITHIN_S if is_connecting else STOP_WITHIN_S
        try:
            async with asyncio.timeout(patience):
                await self._replicator.stop()
        except TimeoutError:
            if not is_connecting:
                say(
                    f"the peer did not respond within {patience:g} s, so the connection was not closed "
                    "properly"
                )

    # Reports during the replication

    def _changed(self, status: Status) -> None:
        if status.activity is Activity.CONNECTING:
            self._attempts += 1
        self._report(status)

    def _documents_ended(self, lot: list[DocumentEnded]) -> None:
        for ended in lot:
            if ended.problem is None:
                self._failed.pop(ended.id, None)
                continue
            self._failed[ended.id] = ended
            if self._configuration.continuous:
                self._new_failures.append(ended)

    def _look(self) -> None:
        status = self._replicator.status
        if status.activity in {Activity.BUSY, Activity.IDLE}:
            self._report(status)
        self._show_line(status)

    def _report(self, status: Status) -> None:
        """Report all changes in the replication's status since the last report."""
        if not self._configuration.continuous:
            if status.activity is Activity.OFFLINE and status.problem is not None and not self._is_stopping:
                self._clear_line()
                say(f"{self._spelt(status.problem)}; trying again ({self._attempts} of {self._most})")
            return
        progress = status.progress
        is_idle = status.activity is Activity.IDLE
        counts = (progress.pushed, progress.pulled, progress.failed) if is_idle else ()
        now = (status.activity, status.problem, counts)
        if status.activity is Activity.STOPPED or (now == self._said and not self._new_failures):
            return
        is_news, self._said = now != self._said, now
        failures, self._new_failures = self._new_failures, []
        self._clear_line()
        if self._as_json:
            print_json(self._facts(status, failures))
            return
        _name(failures)
        if is_news:
            self._tell(status)

    def _tell(self, status: Status) -> None:
        """Print a line with the state of a continuous replication."""
        name = self._configuration.endpoint.name
        match status.activity:
            case Activity.OFFLINE:
                self._was_offline = True
                print(f"offline: {self._spelt(status.problem)}; retrying automatically", flush=True)
            case Activity.IDLE:
                if status.problem is not None and status.problem != self._half:
                    self._half = status.problem
                    say(f"not pulling: {self._spelt(status.problem)}")
                head = f"connected again to {name}: " if self._was_offline else ""
                self._was_offline = False
                print(f"{head}up to date: {self._counts(status.progress)}", flush=True)
            case Activity.CONNECTING if self._attempts == 1:
                print(f"connecting to {name}", flush=True)
            case _:  # The other states change too often to report each change.
                return

    @property
    def _most(self) -> int | None:
        return self._configuration.max_attempts

    # Reports at the end

    def _concluded(self, status: Status) -> int:
        before = self._failed_before()
        failed = [*self._failed.values(), *before]
        continuous = self._configuration.continuous
        is_cut_short = self._is_stopping and not continuous
        if self._as_json:
            news = [*self._new_failures, *before] if continuous else failed
            print_json(self._facts(status, news, stopped=self._is_stopping))
        else:
            _name(self._new_failures if continuous else self._failed.values())
            for ended in before:
                what = f"{clean(ended.id)}: {ended.direction.value} failed in an earlier run"
                say(f"{what}: {clean(str(ended.problem))}")
            head = "stopped: " if self._is_stopping else ""
            if status.problem is None or any(self._replicator.transferred):
                print(head + self._counts(status.progress), flush=True)
        if status.problem is not None:
            raise FailedError(self._spelt(status.problem))
        if is_cut_short:
            raise FailedError(
                "stopped before the replication was complete; the next run continues from this point"
            )
        if failed and not continuous:
            raise FailedError(f"{count(len(failed), 'document')} could not be replicated")
        return 0

    def _failed_before(self) -> list[DocumentEnded]:
        """Return the documents that failed in an earlier run and have not succeeded in this run."""
        failed = self._replicator.failed
        return [
            DocumentEnded(each.direction, each.id, each.revision, problem=each.problem)
            for each in failed or ()
            if each.id not in self._failed
        ]

    def _facts(
        self, status: Status, failed: list[DocumentEnded], *, stopped: bool | UnsetType = UNSET
    ) -> "DbReplication":
        from services.schemas.database import DbReplication, ReplicationError, Transferred

        progress, (sent, received) = status.progress, self._replicator.transferred
        problem = status.problem
        return DbReplication(
            activity=status.activity,
            pushed=Transferred(
                documents=progress.pushed,
                bytes=progress.body_bytes_pushed,
                deltas=progress.deltas_pushed,
                blobs=progress.blobs_pushed,
            ),
            pulled=Transferred(
                documents=progress.pulled,
                bytes=progress.body_bytes_pulled,
                deltas=progress.deltas_pulled,
                blobs=progress.blobs_pulled,
            ),
            sent=sent,
            received=received,
            failed=[_failure(ended) for ended in failed],
            error=None
            if problem is None
            else ReplicationError(
                domain=problem.domain,
                code=problem.code,
                reason=problem.text,
                url=self._configuration.endpoint.name,
            ),
            stopped=stopped,
        )

    def _counts(self, progress: Progress) -> str:
        """Return text such as `pushed 3 documents (1.2 kB), pulled none; 2.3 kB sent, 1.1 kB received`."""
        parts = []
        if self._configuration.push:
            parts.append(f"pushed {_amount(progress.pushed, progress.body_bytes_pushed)}")
        if self._configuration.pull:
            parts.append(f"pulled {_amount(progress.pulled, progress.body_bytes_pulled)}")
        sent, received = self._replicator.transferred
        return f"{', '.join(parts)}; {format_bytes(sent)} sent, {format_bytes(received)} received"

    def _spelt(self, problem: Problem | None) -> str:
        """Return a problem as one line of text, which states what is wrong, where, and what to do."""
        if problem is None:
            return "the connection closed"
        name = self._configuration.endpoint.name
        text = " ".join(clean(str(problem)).split())
        text = text if name in text else f"{name}: {text}"
        advice = _advice(
            problem,
            has_user=self._configuration.authenticator is not None,
            has_linked=any(self._replicator.transferred),
        )
        return f"{text}; {advice}" if advice else text

    # The counts on a terminal

    def _show_line(self, status: Status) -> None:
        if not self._line_width:
            return
        progress = status.progress
        done = (
            f"{thousands(progress.completed)} of {thousands(progress.total)} changes; "
            if progress.total
            else ""
        )
        text = f"{status.activity.value}: {done}{self._counts(progress)}"
        steer(sys.stderr, ERASE_LINE)
        print(text[: self._line_width], end="", file=sys.stderr, flush=True)
        self._has_line = True

    def _clear_line(self) -> None:
        if self._has_line:
            steer(sys.stderr, ERASE_LINE)
            sys.stderr.flush()
            self._has_line = False


def _advice(problem: Problem, *, has_user: bool, has_linked: bool) -> str:
    if has_linked and (problem.domain, problem.code) == (Domain.WEBSOCKET, CloseCode.ABNORMAL):
        return ""  # The TLS handshake succeeded, so the connection broke later, or the listener was stopped.
    if problem.domain is Domain.TLS:
        if "fingerprint" in problem.text:
            return (
                "this is a different server, or the server has a new certificate; ask its operator before "
                "you pin the new certificate"
            )
        if "verify" in problem.text or "refused" in problem.text:
            return "specify the certificate's CA with --ca, or the certificate's fingerprint with --pin"
        return ""
    if (problem.domain, problem.code) == (Domain.WEBSOCKET, HTTPStatus.UNAUTHORIZED) and not has_user:
        return "specify --user and --password-file"
    return ADVICE.get((problem.domain, problem.code), "")


def _name(failed: Iterable[DocumentEnded]) -> None:
    for ended in failed:
        again = "; it will be retried" if ended.is_transient else ""
        say(f"{clean(ended.id)}: {ended.direction.value} failed: {clean(str(ended.problem))}{again}")


def _failure(ended: DocumentEnded) -> "FailedDocument":
    from services.schemas.database import FailedDocument

    problem = ended.problem
    assert problem is not None
    return FailedDocument(
        id=ended.id,
        rev=ended.revision,
        direction=ended.direction,
        transient=ended.is_transient,
        domain=problem.domain,
        code=problem.code,
        reason=problem.text,
    )


def _amount(documents: int, size: int) -> str:
    return f"{count(documents, 'document')} ({format_bytes(size)})"


@contextlib.contextmanager
def signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` on Ctrl-C and on SIGTERM, in the running event loop."""
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
