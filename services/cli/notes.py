"""`logboat note TEXT`: writes a note to the log. Without text, it lists the notes."""

import sys
from argparse import ArgumentParser, Namespace
from datetime import datetime, tzinfo
from typing import Any, Final

from sensors.plaintext import clean
from services.console.environment import Environment
from services.console.errors import UsageError
from services.console.output import print_json, tell
from services.console.stores import chosen_vessel, own_vessel, reading_store, zone
from services.terminal.present import time_text

from .alarms import acting_person

LONGEST: Final = 10_000
"""Maximum length of a note, in characters: a few pages.

The length is limited because each note is replicated to every vessel.
"""
USUAL_LIMIT: Final = 20


def note_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat note [TEXT…] [--by WHO]`."""
    parser.add_argument("text", nargs="*", metavar="TEXT", help="text of the note; - reads standard input")
    parser.add_argument("--by", metavar="WHO", help="name of the author (default: you)")
    parser.add_argument("--vessel", metavar="V", help="show another vessel's notes")
    parser.add_argument(
        "--limit", type=int, default=USUAL_LIMIT, metavar="N", help="show the last N notes (20)"
    )


def note(args: Namespace, world: Environment) -> int:
    """Record a note, or list the notes. Return 0."""
    if not args.text:
        return _show(args)
    if args.vessel is not None:
        raise UsageError("notes can only be written for this vessel; omit --vessel")
    text = sys.stdin.read() if args.text == ["-"] else " ".join(args.text)
    text = text.strip()
    if not text:
        raise UsageError("the note is empty")
    if len(text) > LONGEST:
        raise UsageError(f"the note is too long: {len(text)} characters, at most {LONGEST} are allowed")
    who = acting_person(args, world)
    from services.documents import builders
    from services.system.ulid import ulid
    from sync.documents import note_id

    utc = world.utc
    with reading_store(args) as database:
        vessel = own_vessel(args, database)
        document_id = note_id(vessel, ulid(utc))
        database.put(document_id, builders.note(vessel, text=text, who=who, utc=utc))
    if args.json:
        from services.schemas.recording import Note

        print_json(Note(id=document_id, vessel=vessel, text=text, who=who))
    else:
        tell(f"saved as {document_id}")
    return 0


def _show(args: Namespace) -> int:
    """Print the most recent notes, newest last."""
    from sync.documents import DocumentType

    if args.limit < 1:
        raise UsageError("--limit must be 1 or more")
    with reading_store(args) as database:
        vessel = chosen_vessel(args, database)
        newest = list(database.documents(f"{DocumentType.NOTE}:{vessel}:", reverse=True, limit=args.limit))
        bodies = [(document.id, document.body) for document in reversed(newest)]
    if args.json:
        from services.schemas.recording import Notes

        print_json(Notes(notes=[{"id": document_id, **body} for document_id, body in bodies]))
        return 0
    place = zone(args)
    for _, body in bodies:
        words = [clean(line) for line in str(body.get("text", "")).splitlines()]
        tell(f"{_when(body.get('when'), place)}  {clean(str(body.get('who', '?')))}")
        tell("\n".join(f"    {line}" for line in words))
    if not bodies:
        tell("no notes yet; write one with: logboat note TEXT")
    return 0


def _when(when: Any, place: tzinfo) -> str:
    from services.documents.models import seconds_of

    try:
        return time_text(seconds_of(datetime.fromisoformat(when)), place)
    except (TypeError, ValueError):
        return "time unknown"
