"""Builders of received messages, and Hypothesis strategies for the parts of messages."""

import json

from hypothesis import strategies as st

from sync.blip import RequestReceived, ResponseReceived
from sync.replication.messages import EncodedMessage

REVISION = "2-5b1d"
PARENT = "1-9c3a"
DIGEST = "sha1-rATs731fnP+PJv2Pm/WXWZsCw48="


def received(encoded: EncodedMessage) -> RequestReceived:
    """Return an encoded request as the receiving peer's BLIP layer delivers it."""
    return RequestReceived(
        1, encoded.properties, encoded.body, encoded.urgent, encoded.compressed, encoded.no_reply
    )


def answered(encoded: EncodedMessage) -> ResponseReceived:
    """Return an encoded response as the receiving peer's BLIP layer delivers it."""
    return ResponseReceived(1, encoded.properties, encoded.body)


def asked(profile: str, body: bytes = b"", **properties: str) -> RequestReceived:
    """Return a received request of type `profile` with these properties and this body."""
    return RequestReceived(1, {"Profile": profile, **properties}, body)


def reply(body: bytes = b"", **properties: str) -> ResponseReceived:
    """Return a received response with these properties and this body."""
    return ResponseReceived(1, properties, body)


letters = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(letters, min_size=1, max_size=40)
ids = st.text(letters, min_size=1, max_size=60)
collections = st.none() | st.integers(0, 999)
generations = st.integers(1, 10**6)
digests = st.text("0123456789abcdef", min_size=1, max_size=40)
revisions = st.builds("{}-{}".format, generations, digests)
clients = st.builds("cp-{}".format, st.text("ABCabc019+/=", min_size=1, max_size=28))
sequences = st.one_of(
    st.integers(0, 2**63 - 1).map(str),
    st.from_regex(r'"[0-9]{0,5}(:[0-9]{1,5}){1,2}"', fullmatch=True),
    st.lists(st.integers(0, 99) | st.text(letters, max_size=5), max_size=4).map(
        lambda items: json.dumps(items, separators=(",", ":"))
    ),
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[str, tuple[str, ...]]:
    """Draw a revision id and the ids of its ancestors, newest first."""
    descending = sorted(draw(st.sets(generations, min_size=1, max_size=8)), reverse=True)
    revision, *ancestors = [f"{generation}-{draw(digests)}" for generation in descending]
    return revision, tuple(ancestors)
