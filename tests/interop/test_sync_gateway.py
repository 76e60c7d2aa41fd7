"""A real Sync Gateway behaves as Logboat's replicator expects, according to `sync_gateway/README.md`."""

import asyncio
import base64
import hashlib
import itertools
from collections.abc import Awaitable, Callable, Iterator

import pytest
from websockets.exceptions import InvalidStatus

from tests.interop.sync_gateway.conversation import Conversation, RefusedError, password, talking
from tests.interop.sync_gateway.gateway import Gateway, GatewayDatabase

pytestmark = pytest.mark.timeout(600)  # the first test builds the gateway
ARGO = password("argo", "secret")
NUMBERS = itertools.count()


@pytest.fixture
def log(gateway: Gateway) -> Iterator[GatewayDatabase]:
    database = gateway.database(f"log{next(NUMBERS)}")
    database.add_user("argo", "secret")
    yield database
    gateway.drop(database)


def talk(log: GatewayDatabase, conversation: Callable[[Conversation], Awaitable[None]]) -> None:
    async def run() -> None:
        async with talking(log, ARGO) as talker:
            await conversation(talker)

    asyncio.run(run())


def test_gateway_selects_the_first_subprotocol_that_it_supports(log: GatewayDatabase) -> None:
    async def run() -> None:
        offered = ("BLIP_3+CBMobile_4", "BLIP_3+CBMobile_3", "BLIP_3+CBMobile_2")
        async with talking(log, ARGO, subprotocols=offered) as talker:
            assert talker.socket.subprotocol == "BLIP_3+CBMobile_3"
        with pytest.raises(InvalidStatus, match="500"):
            async with talking(log, ARGO, subprotocols=("BLIP_3+CBMobile_4",)):
                pass

    asyncio.run(run())


def test_only_a_password_or_a_valid_session_admits_a_user(log: GatewayDatabase) -> None:
    async def run() -> None:
        session = log.session("argo")
        cookie = {"Cookie": f"{session.cookie_name}={session.session_id}"}
        async with talking(log, cookie) as talker:
            assert await talker.propose("note:argo:1", "1-a") == 0
            log.end_session(session)
            assert await talker.propose("note:argo:1", "1-a") == 0  # a connection outlives its session
        for headers in (cookie, password("argo", "wrong"), {}):
            with pytest.raises(InvalidStatus, match="401"):
                async with talking(log, headers):
                    pass

    asyncio.run(run())


def test_pushed_document_is_visible_to_users_with_its_channels(log: GatewayDatabase) -> None:
    log.add_user("crew", "secret", channels=["alarms"])

    async def run() -> None:
        async with talking(log, ARGO) as talker:
            await talker.push("note:argo:1", "1-a", channels=["notes"], text="all well")
            await talker.push("alarm:argo:1", "1-a", channels=["alarms"], text="bilge")
        async with talking(log, password("crew", "secret")) as talker:
            await talker.say("subChanges", continuous="true")
            seen = await talker.heard["rev"].get()
            assert seen.properties["id"] == "alarm:argo:1"

    asyncio.run(run())
    document = log.document("note:argo:1")
    assert document is not None
    assert (document["_rev"], document["text"]) == ("1-a", "all well")


def test_checkpoint_can_be_replaced_only_with_its_current_revision(log: GatewayDatabase) -> None:
    async def conversation(talker: Conversation) -> None:
        with pytest.raises(RefusedError, match="404"):
            await talker.say("getCheckpoint", client="c")
        first = await talker.say("setCheckpoint", {"local": 1}, client="c")
        with pytest.raises(RefusedError, match="409"):
            await talker.say("setCheckpoint", {"local": 2}, client="c")
        await talker.say("setCheckpoint", {"local": 2}, client="c", rev=first["rev"])
        assert await talker.say("getCheckpoint", client="c") == {"local": 2}
        collections = {"collections": ["_default._default", "_default.none"], "checkpoint_ids": ["c", "c"]}
        known, unknown = await talker.say("getCollections", collections)
        assert known["local"] == 2
        assert unknown is None

    talk(log, conversation)


def test_revision_not_based_on_the_current_one_is_a_conflict(log: GatewayDatabase) -> None:
    async def conversation(talker: Conversation) -> None:
        await talker.push("note:argo:1", "1-a")
        await talker.push("note:argo:1", "2-b", "1-a")
        assert await talker.propose("note:argo:1", "2-b", "1-a") == 304
        assert await talker.propose("note:argo:1", "2-c", "1-a") == 409
        assert await talker.propose("note:argo:1", "1-a") == 409  # even for a revision that the gateway has
        with pytest.raises(RefusedError, match="409"):
            await talker.push("note:argo:1", "2-c", "1-a")
        with pytest.raises(RefusedError, match="409"):
            await talker.push("note:argo:1", "2-c", "1-a", deleted=True)
        with pytest.raises(RefusedError, match="409"):
            await talker.say("changes", [[1, "note:argo:1", "2-c"]])

    talk(log, conversation)


def test_branch_beside_a_tombstone_is_accepted_only_without_the_shared_history(
    log: GatewayDatabase,
) -> None:
    async def conversation(talker: Conversation) -> None:
        await talker.push("note:argo:1", "1-a")
        await talker.push("note:argo:1", "2-b", "1-a")
        await talker.push("note:argo:1", "3-tombstone", "2-b", deleted=True)
        assert await talker.propose("note:argo:1", "3-c", "1-a") == 409
        assert await talker.propose("note:argo:1", "3-c") == 0
        with pytest.raises(RefusedError, match="409"):
            await talker.push("note:argo:1", "3-c", "2-c", "1-a")
        await talker.push("note:argo:1", "3-c", "2-c")
        # Only the newest known ancestor matters, and the gateway has that ancestor.
        await talker.push("note:argo:1", "4-d", "3-c", "2-c", "1-a")

    talk(log, conversation)
    document = log.document("note:argo:1")
    assert document is not None
    assert document["_revisions"] == {"start": 4, "ids": ["d", "c", "c"]}


def test_resolution_based_on_the_gateways_revision_is_accepted(log: GatewayDatabase) -> None:
    async def conversation(talker: Conversation) -> None:
        await talker.push("note:argo:1", "1-a")
        await talker.push("note:argo:1", "2-b", "1-a")
        assert await talker.propose("note:argo:1", "3-merged", "2-b") == 0
        await talker.push("note:argo:1", "3-merged", "2-b", "1-a")

    talk(log, conversation)
    assert log.revisions() == {"note:argo:1": "3-merged"}


def test_history_with_a_gap_is_sent_with_invented_generations(log: GatewayDatabase) -> None:
    async def conversation(talker: Conversation) -> None:
        await talker.push("equipment:argo:rpm", "1-a")
        await talker.push("equipment:argo:rpm", "9-i", "1-a")
        await talker.say("subChanges", continuous="true")
        revision = await talker.heard["rev"].get()
        assert revision.properties["rev"] == "9-i"
        assert revision.properties["history"] == "8-a"

    talk(log, conversation)


def test_blob_listed_under_attachments_is_requested_once_per_document(log: GatewayDatabase) -> None:
    data = b"a photograph of the bilge"
    digest = "sha1-" + base64.b64encode(hashlib.sha1(data).digest()).decode()
    blob = {"digest": digest, "length": len(data), "content_type": "text/plain"}
    photo = {"@type": "blob", **blob}
    attachments = {"blob_/photo": {"stub": True, "revpos": 1, **blob}}

    async def conversation(talker: Conversation) -> None:
        talker.blobs[digest] = data
        await talker.push("note:argo:1", "1-a", photo=photo)
        assert talker.heard["getAttachment"].empty()
        await talker.push("note:argo:2", "1-a", photo=photo, _attachments=attachments)
        assert talker.heard["getAttachment"].get_nowait().properties["docID"] == "note:argo:2"
        await talker.push("note:argo:2", "2-b", "1-a", photo=photo, _attachments=attachments)
        assert talker.heard["getAttachment"].empty()

    talk(log, conversation)
    assert log.attachment("note:argo:2", "blob_/photo") == data


@pytest.mark.parametrize("name", ["_id", "_rev", "_deleted", "_revisions", "_sync", "_purged", "_removed"])
def test_reserved_property_of_the_gateway_is_refused(log: GatewayDatabase, name: str) -> None:
    async def conversation(talker: Conversation) -> None:
        with pytest.raises(RefusedError, match=r"^40[04]"):
            await talker.push("note:argo:1", "1-a", **{name: True})

    talk(log, conversation)
