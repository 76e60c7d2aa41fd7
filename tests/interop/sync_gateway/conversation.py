"""Sends single messages to the gateway, to test the behaviour on which the replicator relies."""

import asyncio
import base64
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.client import connect
from websockets.typing import Subprotocol

from sync.blip import ErrorReceived, RequestReceived
from tests.blip.interop.talker import SUBPROTOCOL, Talker
from tests.interop.sync_gateway.gateway import GatewayDatabase

WAIT = 60


class RefusedError(Exception):
    """The gateway answered with an error that has this status."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


@dataclass
class Conversation(Talker):
    """Client that requests every change that the gateway offers, and supplies blobs on request."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    """Blobs by their digest."""
    heard: defaultdict[str, asyncio.Queue[RequestReceived]] = field(
        default_factory=lambda: defaultdict(asyncio.Queue)
    )
    """Requests received from the gateway, by profile."""

    async def say(self, profile: str, body: Any = None, **properties: str) -> Any:
        """Send a request, and return the JSON body of the reply, or the reply's properties if it has no body.

        Raises:
            RefusedError: the gateway answered with an error.
        """
        sent = b"" if body is None else json.dumps(body).encode()
        reply = await self.ask(profile, sent, properties=properties)
        if isinstance(reply, ErrorReceived):
            raise RefusedError(reply.code, reply.message)
        return json.loads(reply.body) if reply.body else dict(reply.properties)

    async def push(self, doc_id: str, rev: str, *history: str, deleted: bool = False, **body: Any) -> None:
        """Send a revision. Raise RefusedError if the gateway rejects it."""
        properties = {
            "id": doc_id,
            "rev": rev,
            "history": ",".join(history),
            "deleted": "1" if deleted else "",
        }
        await self.say("rev", body, **{name: value for name, value in properties.items() if value})

    async def propose(self, doc_id: str, rev: str, parent: str = "") -> int:
        """Propose a revision, and return the gateway's answer, which is 0 if the revision is to be sent."""
        statuses = await self.say("proposeChanges", [[doc_id, rev, parent]])
        return int(statuses[0]) if statuses else 0

    def _answer(self, request: RequestReceived) -> None:
        if not request.no_reply:
            self.connection.send_response(request.number, *self._reply(request))
        self.heard[request.profile].put_nowait(request)

    def _reply(self, request: RequestReceived) -> tuple[Mapping[str, str], bytes]:
        match request.profile:
            case "changes":
                return {"maxHistory": "20"}, json.dumps([[] for _ in json.loads(request.body)]).encode()
            case "getAttachment":
                return {}, self.blobs[request.properties["digest"]]
        return {}, b""


def password(user: str, secret: str) -> dict[str, str]:
    """Return the header for Basic authentication with a password."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


@asynccontextmanager
async def talking(
    database: GatewayDatabase, headers: Mapping[str, str], *, subprotocols: tuple[str, ...] = (SUBPROTOCOL,)
) -> AsyncIterator[Conversation]:
    """Yield a connection to this database. Raise InvalidStatus from websockets if the gateway refuses it."""
    async with (
        asyncio.timeout(WAIT),
        connect(
            f"{database.url}/_blipsync",
            subprotocols=[Subprotocol(name) for name in subprotocols],
            additional_headers=dict(headers),
            compression=None,
            proxy=None,
        ) as socket,
        asyncio.TaskGroup() as tasks,  # an error while reading ends the conversation too
    ):
        conversation = Conversation(socket)
        tasks.create_task(conversation.run())
        yield conversation
        await socket.close()
