"""Sends single messages to a Sync Gateway, to test behaviour on which Logboat's replicator relies."""

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
    """Error raised if the gateway replies with an error. `status` is the code of that error."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status} {text}")
        self.status = status


@dataclass
class Conversation(Talker):
    """Client that requests every change that the gateway announces, and sends blobs on request."""

    blobs: dict[str, bytes] = field(default_factory=dict)
    """Contents of the blobs that the client sends on request, by digest."""
    heard: defaultdict[str, asyncio.Queue[RequestReceived]] = field(
        default_factory=lambda: defaultdict(asyncio.Queue)
    )
    """Requests received from the gateway, by message type."""

    async def say(self, profile: str, body: Any = None, **properties: str) -> Any:
        """Send a request, and return the decoded body of the reply, or its properties if it has no body.

        Raises:
            RefusedError: The gateway replied with an error.
        """
        sent = b"" if body is None else json.dumps(body).encode()
        reply = await self.ask(profile, sent, properties=properties)
        if isinstance(reply, ErrorReceived):
            raise RefusedError(reply.code, reply.message)
        return json.loads(reply.body) if reply.body else dict(reply.properties)

    async def push(self, doc_id: str, rev: str, *history: str, deleted: bool = False, **body: Any) -> None:
        """Send a revision. Raise RefusedError if the gateway rejects the revision."""
        properties = {
            "id": doc_id,
            "rev": rev,
            "history": ",".join(history),
            "deleted": "1" if deleted else "",
        }
        await self.say("rev", body, **{name: value for name, value in properties.items() if value})

    async def propose(self, doc_id: str, rev: str, parent: str = "") -> int:
        """Propose a revision, and return the gateway's answer, which is 0 if it requests the revision."""
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
    """Return the HTTP header for Basic authentication."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{secret}".encode()).decode()}


@asynccontextmanager
async def talking(
    database: GatewayDatabase, headers: Mapping[str, str], *, subprotocols: tuple[str, ...] = (SUBPROTOCOL,)
) -> AsyncIterator[Conversation]:
    """Connect to a database. Raise `websockets.InvalidStatus` if the gateway refuses the connection."""
    async with (
        asyncio.timeout(WAIT),
        connect(
            f"{database.url}/_blipsync",
            subprotocols=[Subprotocol(name) for name in subprotocols],
            additional_headers=dict(headers),
            compression=None,
            proxy=None,
        ) as socket,
        asyncio.TaskGroup() as tasks,  # an error while reading must also end the conversation
    ):
        conversation = Conversation(socket)
        tasks.create_task(conversation.run())
        yield conversation
        await socket.close()
