"""Replicators and listeners exchange documents over real sockets and TLS on the loopback interface."""

import asyncio
import errno
import random
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from sync.net.authenticators import BasicAuthenticator, ListenerPasswordAuthenticator
from sync.net.byte_streams import StreamConnection
from sync.net.endpoints import MessageEndpoint, URLEndpoint
from sync.net.listener import URLEndpointListener, URLEndpointListenerConfiguration
from sync.net.message_endpoint import ProtocolType
from sync.net.message_listener import MessageEndpointListener
from sync.net.replicator import Replicator, ReplicatorConfiguration, Status
from sync.net.tls_identity import TLSIdentity
from sync.peer.active import Activity
from sync.peer.checkpoints import PeersCheckpoints
from sync.peer.problems import Domain
from sync.peer.progress import Direction, DocumentEnded
from sync.store import BusyError, Database
from tests.net.wire import run
from tests.peer.rig import assert_same, databases
from tests.ports import free_port

IDENTITY = TLSIdentity.self_signed("logboat")


@asynccontextmanager
async def listening(databases: dict[str, Database], **options: Any) -> AsyncIterator[URLEndpointListener]:
    given = {"port": 0, "network_interface": "127.0.0.1", "tls_identity": IDENTITY, **options}
    listener = URLEndpointListener(URLEndpointListenerConfiguration(databases, **given))
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


def url(listener: URLEndpointListener, name: str = "log") -> URLEndpoint:
    scheme = "ws" if listener.configuration.disable_tls else "wss"
    return URLEndpoint(f"{scheme}://127.0.0.1:{listener.port}/{name}")


class Followed:
    """Replicator under test, with all statuses and documents that it has reported."""

    def __init__(self, database: Database, endpoint: Any, **options: Any) -> None:
        self.statuses: list[Status] = []
        self.documents: list[DocumentEnded] = []
        self._told = asyncio.Event()
        given = {"pinned_server_certificate": IDENTITY.fingerprint, **options}
        self.replicator = Replicator(
            ReplicatorConfiguration(database, endpoint, **given),
            on_status=self._status,
            on_documents=self._ended,
            rng=random.Random(1),
        )

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._told.clear()
            await self._told.wait()

    def activities(self) -> list[Activity]:
        return [status.activity for status in self.statuses]

    def replicated(self, name: str) -> bool:
        return any(ended.id == name and ended.problem is None for ended in self.documents)

    def _status(self, status: Status) -> None:
        self.statuses.append(status)
        self._told.set()

    def _ended(self, told: list[DocumentEnded]) -> None:
        self.documents += told
        self._told.set()


async def once(database: Database, endpoint: Any, **options: Any) -> Status:
    return await Followed(database, endpoint, **options).replicator.run()


async def settled(condition: Callable[[], bool]) -> None:
    """Poll until a condition is true that depends on the other side of a socket."""
    for _ in range(5000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never happens")


@pytest.mark.parametrize(("push", "pull"), [(True, False), (False, True), (True, True)])
def test_one_shot_replication_transfers_documents_in_the_requested_direction(
    tmp_path: Path, push: bool, pull: bool
) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            for number in range(300):
                ours.put(f"ours-{number}", {"n": number})
                theirs.put(f"theirs-{number}", {"n": number})
            async with listening({"log": theirs}) as listener:
                status = await once(ours, url(listener), push=push, pull=pull)
            assert status.activity is Activity.STOPPED
            assert status.problem is None
            assert (status.progress.pushed, status.progress.pulled) == (300 * push, 300 * pull)
            assert theirs.count() == 300 + 300 * push
            assert ours.count() == 300 + 300 * pull

    run(main())


def test_continuous_replication_connects_again_when_the_listener_is_back(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            port = free_port()
            async with listening({"log": theirs}, port=port) as listener:
                followed = Followed(ours, url(listener), continuous=True)
                followed.replicator.start()
                ours.put("before", {})
                await followed.until(lambda: followed.replicated("before"))
            await followed.until(lambda: Activity.OFFLINE in followed.activities())
            assert followed.statuses[-1].problem is not None
            ours.put("meanwhile", {})
            theirs.put("there", {})
            async with listening({"log": theirs}, port=port):
                followed.replicator.reachability_changed()
                await followed.until(
                    lambda: followed.replicated("meanwhile") and followed.replicated("there")
                )
                status = await followed.replicator.stop()
                assert status.activity is Activity.STOPPED
                assert status.problem is None
            assert_same(ours, theirs)

    run(main())


def test_wrong_password_stops_at_once(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            ours.put("d", {})
            judge = ListenerPasswordAuthenticator(
                lambda user, password: (user, password) == ("anna", "right")
            )
            async with listening({"log": theirs}, authenticator=judge) as listener:
                for authenticator in (BasicAuthenticator("anna", "wrong"), None):
                    followed = Followed(ours, url(listener), continuous=True, authenticator=authenticator)
                    status = await followed.replicator.run()
                    assert status.activity is Activity.STOPPED
                    assert status.problem is not None
                    assert (status.problem.domain, status.problem.code) == (Domain.WEBSOCKET, 401)
                    assert followed.activities().count(Activity.CONNECTING) == 1
                assert theirs.count() == 0
                right = await once(ours, url(listener), authenticator=BasicAuthenticator("anna", "right"))
                assert right.problem is None
                assert theirs.count() == 1

    run(main())


def test_refused_connection_is_tried_as_often_as_configured(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path, "ours") as (ours,), socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))  # the socket is bound, but does not listen
            endpoint = URLEndpoint(f"wss://127.0.0.1:{bound.getsockname()[1]}/log")
            followed = Followed(ours, endpoint, continuous=True, max_attempts=2, max_attempt_wait_time=0.01)
            status = await followed.replicator.run()
            assert status.problem is not None
            assert (status.problem.domain, status.problem.code) == (Domain.POSIX, errno.ECONNREFUSED)
            assert followed.activities() == [
                Activity.CONNECTING,
                Activity.OFFLINE,
                Activity.CONNECTING,
                Activity.STOPPED,
            ]

    run(main())


def test_stop_while_offline_ends_the_wait(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path, "ours") as (ours,), socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            endpoint = URLEndpoint(f"wss://127.0.0.1:{bound.getsockname()[1]}/log")
            followed = Followed(ours, endpoint, continuous=True)
            followed.replicator.start()
            await followed.until(lambda: Activity.OFFLINE in followed.activities())
            assert (await followed.replicator.stop()).activity is Activity.STOPPED

    run(main())


def test_stop_stores_the_checkpoint(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            async with listening({"log": theirs}) as listener:
                followed = Followed(ours, url(listener), continuous=True)
                followed.replicator.start()
                ours.put("ours", {})
                theirs.put("theirs", {})
                await followed.until(lambda: followed.replicated("ours") and followed.replicated("theirs"))
                await followed.replicator.stop()
                again = await once(ours, url(listener), continuous=False)
                assert (again.progress.pushed, again.progress.pulled, again.progress.failed) == (0, 0, 0)
                assert again.progress.total <= 1  # the checkpoint covers all acknowledged documents
                anew = Followed(ours, url(listener))
                await anew.replicator.run(reset_checkpoint=True)
                assert anew.replicator.status.progress.total > 0

    run(main())


def test_status_and_document_callbacks_are_called(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            ours.put("ours", {})
            theirs.delete("theirs", parent=theirs.put("theirs", {}))
            async with listening({"log": theirs}) as listener:
                followed = Followed(ours, url(listener))
                await followed.replicator.run()
            activities = followed.activities()
            assert activities[0] is Activity.CONNECTING
            assert activities[-1] is Activity.STOPPED
            assert {(ended.direction, ended.id, ended.deleted) for ended in followed.documents} == {
                (Direction.PUSH, "ours", False),
                (Direction.PULL, "theirs", True),
            }
            assert min(followed.replicator.transferred) > 0

    run(main())


def test_document_is_pending_until_the_peer_has_it(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            async with listening({"log": theirs}) as listener:
                followed = Followed(ours, url(listener), continuous=True)
                replicator = followed.replicator
                replicator.start()
                ours.put("first", {})
                await followed.until(lambda: followed.replicated("first"))
                ours.put("second", {})
                assert replicator.is_document_pending("second")
                assert not replicator.is_document_pending("first")
                assert not replicator.is_document_pending("absent")
                assert replicator.pending_document_ids() == {"second"}
                await followed.until(lambda: followed.replicated("second"))
                assert replicator.pending_document_ids() == set()
                assert not replicator.is_document_pending("second")
                await replicator.stop()

    run(main())


def test_document_is_pending_by_the_stored_checkpoint_before_there_is_a_connection(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            async with listening({"log": theirs}) as listener:
                endpoint = url(listener)
                before = Followed(ours, endpoint).replicator
                ours.put("first", {})
                assert before.pending_document_ids() == {"first"}
                assert (await once(ours, endpoint)).problem is None
            ours.put("second", {})
            replicator = Followed(ours, endpoint).replicator
            assert replicator.pending_document_ids() == {"second"}
            assert replicator.is_document_pending("second")
            assert not replicator.is_document_pending("first")
            assert Followed(ours, endpoint, push=False).replicator.pending_document_ids() == set()
            elsewhere = Followed(ours, URLEndpoint("wss://127.0.0.1:1/log")).replicator
            assert elsewhere.pending_document_ids() == {"first", "second"}

    run(main())


def test_document_excluded_from_push_is_not_pending(tmp_path: Path) -> None:
    with databases(tmp_path) as (ours, _):
        ours.put("draft", {"secret": True})
        ours.put("berth", {"secret": False})
        endpoint = URLEndpoint("wss://127.0.0.1:1/log")
        filtered = Replicator(
            ReplicatorConfiguration(ours, endpoint, push_filter=lambda found: not found.body["secret"])
        )
        assert filtered.pending_document_ids() == {"berth"}
        assert not filtered.is_document_pending("draft")
        chosen = Replicator(ReplicatorConfiguration(ours, endpoint, document_ids=frozenset({"draft"})))
        assert chosen.pending_document_ids() == {"draft"}


@pytest.mark.parametrize("most", [None, 0])
def test_missing_or_zero_number_of_attempts_means_the_default(tmp_path: Path, most: int | None) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, _):
            endpoint = URLEndpoint(f"ws://127.0.0.1:{free_port()}/log")
            followed = Followed(ours, endpoint, max_attempts=most, max_attempt_wait_time=0.001)
            assert (await followed.replicator.run()).problem is not None
            assert followed.activities().count(Activity.CONNECTING) == 10

    run(main())


def test_connection_at_a_local_address_that_is_not_offered_is_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    asked: list[str] = []

    def welcomes(local: str) -> bool:
        asked.append(local)
        return False

    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            async with listening({"log": theirs}, welcomes=welcomes) as listener:
                status = await once(ours, url(listener), max_attempts=1)
            assert status.problem is not None
            assert asked == ["127.0.0.1"]
            assert "the listener is not open at 127.0.0.1" in caplog.text

    run(main())


def test_listener_offers_only_its_named_databases(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path, "ours", "log", "crew") as (ours, log, crew):
            log.put("from-log", {})
            crew.put("from-crew", {})
            async with listening({"log": log, "crew": crew}) as listener:
                for name in ("log", "crew"):
                    assert (await once(ours, url(listener, name), push=False)).problem is None
                    assert ours.get(f"from-{name}") is not None
                assert log.count() == crew.count() == 1
                unknown = await once(ours, url(listener, "nothing"))
                assert unknown.problem is not None
                assert (unknown.problem.domain, unknown.problem.code) == (Domain.WEBSOCKET, 404)

    run(main())


def test_read_only_listener_sends_documents_and_accepts_none(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            theirs.put("theirs", {})
            async with listening({"log": theirs}, read_only=True) as listener:
                assert (await once(ours, url(listener), push=False)).problem is None
                assert ours.get("theirs") is not None
                ours.put("ours", {})
                status = await once(ours, url(listener), pull=False)
            assert status.problem is not None
            assert status.problem.code == 403
            assert theirs.count() == 1

    run(main())


def test_listener_may_admit_nobody_to_a_database(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            async with listening({"log": theirs}, authorize=lambda visitor: None) as listener:
                status = await once(ours, url(listener))
            assert status.problem is not None
            assert status.problem.code == 403

    run(main())


def test_listener_counts_its_connections(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            async with listening({"log": theirs}) as listener:
                assert listener.status.connection_count == 0
                followed = Followed(ours, url(listener), continuous=True)
                followed.replicator.start()
                ours.put("d", {})
                await followed.until(lambda: followed.replicated("d"))
                assert listener.status.connection_count == 1
                (connection,) = listener.connections
                assert connection.database == "log"
                assert connection.progress.pulled == 1
                await settled(lambda: listener.status.active_connection_count == 0)
                await followed.replicator.stop()
                await settled(lambda: listener.status.connection_count == 0)

    run(main())


def test_identity_made_by_default_is_refused_unless_it_is_pinned(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            theirs.put("d", {})
            async with listening({"log": theirs}, tls_identity=None) as listener:
                assert listener.tls_identity is not None
                for pinned in (None, IDENTITY.fingerprint):
                    status = await once(ours, url(listener), pinned_server_certificate=pinned, max_attempts=1)
                    assert status.problem is not None
                    assert status.problem.domain is Domain.TLS
                assert ours.count() == 0
                pinned = listener.tls_identity.fingerprint
                assert (await once(ours, url(listener), pinned_server_certificate=pinned)).problem is None
                assert ours.count() == 1

    run(main())


def test_any_self_signed_identity_is_accepted_where_configured(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            theirs.put("d", {})
            async with listening({"log": theirs}) as listener:
                status = await once(
                    ours, url(listener), pinned_server_certificate=None, accept_only_self_signed=True
                )
            assert status.problem is None
            assert ours.count() == 1

    run(main())


def test_peers_replicate_over_a_connection_made_by_the_application(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            ours.put("ours", {})
            theirs.put("theirs", {})
            here, there = socket.socketpair()
            near = StreamConnection(*await asyncio.open_connection(sock=here))
            far = StreamConnection(*await asyncio.open_connection(sock=there))
            listener = MessageEndpointListener(theirs, ProtocolType.BYTE_STREAM)
            endpoint = MessageEndpoint("crew-phone", lambda: near, ProtocolType.BYTE_STREAM)
            _, status = await asyncio.gather(
                listener.accept(far), once(ours, endpoint, pinned_server_certificate=None)
            )
            assert status.problem is None
            assert_same(ours, theirs)
            await settled(lambda: listener.connection_count == 0)

    run(main())


def test_internal_error_while_connecting_is_reported_as_the_problem(tmp_path: Path) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            async with listening({"log": theirs}) as listener:

                def fails(_: object) -> Any:
                    raise RuntimeError("nobody thought of that")

                followed = Followed(ours, url(listener), continuous=True, peer=fails)
                status = await followed.replicator.run()
                assert status.activity is followed.activities()[-1] is Activity.STOPPED
                assert status.problem is not None
                assert "nobody thought of that" in status.problem.text
                assert listener.connections == []

    run(main())


def test_replication_is_tried_again_when_the_store_fails_while_connecting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            theirs.put("d", {})
            failures = [BusyError("another process holds the lock")]
            get_local = ours.get_local

            def fails_once(key: str) -> Any:
                if failures:
                    raise failures.pop()
                return get_local(key)

            monkeypatch.setattr(ours, "get_local", fails_once)
            async with listening({"log": theirs}) as listener:
                followed = Followed(ours, url(listener), max_attempt_wait_time=0.05)
                status = await followed.replicator.run(reset_checkpoint=True)
                assert status.problem is None
                assert ours.get("d") is not None
                assert Activity.OFFLINE in followed.activities()

    run(main())


def test_peer_that_never_stores_the_checkpoint_does_not_delay_stopping(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeersCheckpoints, "_set", lambda *_: None)  # the peer never answers setCheckpoint

    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            async with listening({"log": theirs}) as listener:
                followed = Followed(ours, url(listener), continuous=True)
                followed.replicator.start()
                ours.put("ours", {})
                await followed.until(lambda: followed.replicated("ours"))
                status = await asyncio.wait_for(followed.replicator.stop(grace=0.1), 10)
                assert status.activity is Activity.STOPPED

    run(main())


def test_connection_is_refused_when_the_check_of_its_local_address_fails(tmp_path: Path) -> None:
    def cannot_tell(_: str) -> bool:
        raise OSError(errno.EMFILE, "too many open files")

    async def main() -> None:
        with databases(tmp_path) as (ours, theirs):
            async with listening({"log": theirs}, welcomes=cannot_tell, disable_tls=True) as listener:
                status = await asyncio.wait_for(once(ours, url(listener), max_attempts=1), 10)
                assert status.problem is not None
                assert listener.connections == []

    run(main())
