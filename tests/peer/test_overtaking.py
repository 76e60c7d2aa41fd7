"""`changes` messages are processed in the order in which they began, even if a later one completes first."""

from pathlib import Path

from sync.replication.messages import AnnouncedChange, Changes, Rev, SetCheckpoint, SetCheckpointReply

from .rig import databases
from .script import Script, begun, store_checkpoint

LONG = [
    AnnouncedChange(str(number), f"long-{number:05d}-{number * 7919:020d}", "1-a")
    for number in range(1, 2001)
]


def overtaken(script: Script, *shorter: Changes) -> list[bytes]:
    """Send the first frame of a long message and then complete shorter messages to the peer under test.

    Return the remaining frames of the long message.
    """
    script.post(Changes(tuple(LONG)).encode())
    for message in shorter:
        script.post(message.encode())
    frames = []
    while (frame := script.connection.next_frame()) is not None:
        frames.append(frame)
    first, rest = frames[: 1 + len(shorter)], frames[1 + len(shorter) :]
    assert rest, "the long list is not long"
    script.peer.receive(first)
    script.peer.turn()
    return rest


def test_feed_is_not_caught_up_before_an_overtaken_list_is_complete(tmp_path: Path) -> None:
    with databases(tmp_path, "ours") as (ours,):
        script = begun(ours, push=False)
        rest = overtaken(script, Changes(()))
        script.pump()
        assert not script.is_over
        assert all(b"remote" not in event.body for event in script.requests)
        script.peer.receive(rest)
        script.pump()
        assert not script.is_over
        assert script.peer.receiver is not None
        assert not script.peer.receiver.is_idle
        script.peer.session.end()


def test_checkpoint_does_not_advance_past_an_overtaken_list(tmp_path: Path) -> None:
    with databases(tmp_path, "ours") as (ours,):
        known = AnnouncedChange("2001", "known", ours.put("known", {}))
        script = begun(ours, push=False, continuous=True)
        rest = overtaken(script, Changes((known,)))
        script.rest(60.0)
        assert all(b"remote" not in event.body for event in script.requests)
        script.peer.receive(rest)
        script.pump()
        for change in LONG:
            script.post(Rev(change.id, "1-a", b"{}", change.sequence).encode())
            script.pump()
        for _, event in script.taken(SetCheckpoint):
            script.answer(event, SetCheckpointReply("0-1").encode())
        script.rest(60.0)
        assert store_checkpoint(script) == b'{"remote":2001}'
        assert ours.count() == 2001
        script.peer.session.end()
