"""`logboat db …`: reads, changes and replicates a document store, for diagnostics and scripts.

The user passes the path of the store. If the store is missing, `put`, `pull`, `sync` and `serve` create it.
Every other action requires an existing store. The modules `sync` and `run` implement replication, and `serve`
the listener.
"""

import os
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sensors.plaintext import clean, json_text
from services.cli.options import actions
from services.console.environment import Environment
from services.console.errors import FailedError, UsageError
from services.console.output import print_json, say, to_json
from services.console.stores import open_store
from services.terminal.present import count
from sync.folders import opener

from .serve import serve, serve_arguments
from .sync import DIRECTIONS, replicate, replication_arguments

if TYPE_CHECKING:
    from sync.store import Database, Document, DocumentChange

WAIT_S: Final = 60.0
"""Maximum time for which `changes --follow` waits before it checks for changes again, in seconds.

When a change is made, the wait ends immediately.
"""


def db_arguments(parser: ArgumentParser) -> None:
    """Define the arguments of `logboat db ACTION PATH …`."""
    add = actions(parser, "ACTION")

    def action(name: str, words: str) -> ArgumentParser:
        parser = add(name, words)
        parser.add_argument("path", type=Path, metavar="PATH", help="store file (log.db)")
        return parser

    put = action("put", "store a document; print its new revision")
    put.add_argument("id", metavar="DOCID", help="document id")
    put.add_argument("body", metavar="JSON", help="body, a JSON object; - reads standard input")
    put.add_argument("--rev", metavar="R", help="current revision, which the new one replaces")
    get = action("get", "print a document's body")
    get.add_argument("id", metavar="DOCID", help="document id")
    get.add_argument(
        "--rev", metavar="R", help="print this revision instead of the current one, if it is still stored"
    )
    get.add_argument("--meta", action="store_true", help="include _id, _rev and, if deleted, _deleted")
    listing = action("ls", "list document ids, one per line")
    listing.add_argument("--prefix", default="", metavar="P", help="list only ids that begin with P")
    listing.add_argument(
        "--since",
        type=int,
        metavar="SEQ",
        help="list only documents changed after this sequence, in the order of their changes",
    )
    listing.add_argument("--limit", type=int, metavar="N", help="list at most N documents")
    listing.add_argument("-l", dest="long", action="store_true", help="include revision and sequence")
    remove = action("rm", "delete a document; print the revision of its tombstone")
    remove.add_argument("id", metavar="DOCID", help="document id")
    remove.add_argument("--rev", metavar="R", help="delete only if this is the current revision")
    changes = action("changes", "list changes, one per line: sequence, id, revision")
    changes.add_argument(
        "--since", type=int, default=0, metavar="SEQ", help="list only changes after this sequence"
    )
    changes.add_argument("--limit", type=int, metavar="N", help="list at most N changes")
    changes.add_argument("--follow", action="store_true", help="keep listing new changes, until Ctrl-C")
    action("info", "show identity, counts and sizes")
    check = action("check", "check for damage; exit 1 if there is any")
    check.add_argument("--quick", action="store_true", help="skip the check of every page and body")
    action("compact", "return free space to the file system")
    checkpoints = action(
        "checkpoints", "list the replication checkpoints that peers store here, one per line"
    )
    checkpoints.add_argument("ids", nargs="*", metavar="ID", help="list only checkpoints with these ids")
    checkpoints.add_argument(
        "--of", metavar="OWNER", help="list only checkpoints of user:NAME, vessel:NAME …"
    )
    checkpoints.add_argument(
        "--drop",
        action="store_true",
        help="delete the listed checkpoints; their peers compare all documents again, but lose no data",
    )
    export = action("export", "export documents, one JSON object per line")
    export.add_argument("file", nargs="?", type=Path, metavar="FILE", help="output file (standard output)")
    export.add_argument("--deleted", action="store_true", help="include deleted documents")
    for name, words in DIRECTIONS.items():
        replication_arguments(action(name, words))
    serve_arguments(action("serve", "serve the store for replication, until Ctrl-C; creates it if missing"))


def db(args: Namespace, world: Environment) -> int:  # noqa: ARG001  # the store needs no clocks
    """Run one action on a store, and return the exit status."""
    if getattr(args, "limit", None) is not None and args.limit < 1:
        raise UsageError("--limit must be 1 or more")
    if args.action == "put":
        return _put(args)
    if args.action in DIRECTIONS:
        return replicate(args)
    if args.action == "serve":
        return serve(args)
    if not args.path.is_file():
        raise FailedError(f"{args.path}: no such store")
    with open_store(args.path) as database:
        return ACTIONS[args.action](database, args)


def _put(args: Namespace) -> int:
    import msgspec

    raw = sys.stdin.buffer.read() if args.body == "-" else os.fsencode(args.body)
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"the body is not valid JSON: {error}") from error
    if not isinstance(body, dict):
        raise UsageError("the body is not a JSON object")
    if not args.path.parent.is_dir():
        raise FailedError(f"{args.path.parent}: no such folder")
    from sync.store import DocumentError

    with open_store(args.path, create=True) as database:
        try:
            revision = database.put(args.id, body, parent=args.rev)
        except DocumentError as error:
            raise UsageError(str(error)) from error
    _tell_revision(args, revision)
    return 0


def _get(database: "Database", args: Namespace) -> int:
    document = database.get(args.id, rev=args.rev)
    if document is None:
        what = "no such document" if args.rev is None else f"revision {args.rev} is not stored"
        raise FailedError(f"{args.id}: {what}")
    if document.deleted and not args.meta:
        raise FailedError(f"{args.id}: deleted (revision {document.rev}); use --meta to see its metadata")
    if not args.meta:
        sys.stdout.flush()
        sys.stdout.write(json_text(document.raw) + "\n")
        return 0
    head: dict[str, Any] = {"_id": document.id, "_rev": document.rev}
    if document.deleted:
        head["_deleted"] = True
    print(to_json(head | document.body))
    return 0


def _ls(database: "Database", args: Namespace) -> int:
    entries: Iterable[Document | DocumentChange]
    if args.since is None:
        entries = database.documents(args.prefix, limit=args.limit)
    else:
        entries = _first(_live_since(database, args.since, args.prefix), args.limit)
    for entry in entries:
        if args.json:
            from services.schemas.database import DbDocument

            print_json(DbDocument(id=entry.id, rev=entry.rev, seq=entry.sequence))
        elif args.long:
            print(f"{clean(entry.id)}  {entry.rev}  {entry.sequence}")
        else:
            print(clean(entry.id))
    return 0


def _live_since(database: "Database", since: int, prefix: str) -> "Iterator[DocumentChange]":
    for change in _changes_since(database, since):
        if not change.deleted and change.id.startswith(prefix):
            yield change


def _changes_since(database: "Database", since: int) -> "Iterator[DocumentChange]":
    """Yield all changes after a sequence number, reading the feed page by page."""
    while page := database.changes(since, limit=500):
        yield from page
        since = page[-1].sequence


def _first(entries: "Iterator[DocumentChange]", limit: int | None) -> "Iterator[DocumentChange]":
    return islice(entries, limit)


def _rm(database: "Database", args: Namespace) -> int:
    current = database.get(args.id)
    if current is None or current.deleted:
        raise FailedError(f"{args.id}: no such document")
    revision = database.delete(args.id, parent=args.rev or current.rev)
    _tell_revision(args, revision)
    return 0


def _changes(database: "Database", args: Namespace) -> int:
    left, since = args.limit, args.since
    with database.watch() as watcher:
        try:
            while True:
                for change in _first(_changes_since(database, since), left):
                    since = change.sequence
                    left = None if left is None else left - 1
                    _print_change(change, args)
                sys.stdout.flush()
                if not args.follow or left == 0:
                    return 0
                while not watcher.wait(WAIT_S):
                    pass
        except KeyboardInterrupt:
            return 0


def _print_change(change: "DocumentChange", args: Namespace) -> None:
    if args.json:
        from services.schemas.database import DbChange

        print_json(
            DbChange(
                seq=change.sequence,
                id=change.id,
                rev=change.rev,
                deleted=change.deleted,
                conflicted=change.conflicted,
                size=change.size,
            )
        )
    else:
        marks = ("  deleted" if change.deleted else "") + ("  conflicted" if change.conflicted else "")
        print(f"{change.sequence}  {clean(change.id)}  {change.rev}{marks}")


def _info(database: "Database", args: Namespace) -> int:
    from services.schemas.database import DbInfo, StoreSizes

    usage = database.usage()
    info = DbInfo(
        uuid=database.uuid,
        documents=database.count(),
        deleted=database.count(deleted=True) - database.count(),
        conflicts=len(database.conflicts()),
        last_sequence=database.last_sequence,
        bytes=StoreSizes(used=usage.used, free=usage.free, wal=usage.wal, blobs=usage.blobs),
    )
    if args.json:
        print_json(info)
        return 0
    from sensors.units import format_bytes
    from services.terminal.present import table

    sizes = (
        f"{format_bytes(usage.used)} used, {format_bytes(usage.free)} free in the file, "
        f"{format_bytes(usage.wal)} in its write-ahead log, {format_bytes(usage.blobs)} in blobs"
    )
    rows = [
        ("uuid", info.uuid),
        ("documents", str(info.documents)),
        ("deleted", str(info.deleted)),
        ("conflicts", str(info.conflicts)),
        ("lastSequence", str(info.last_sequence)),
    ]
    print(table([*rows, ("bytes", sizes)]))
    return 0


def _check(database: "Database", args: Namespace) -> int:
    findings = database.check(deep=not args.quick)
    if args.json:
        from services.schemas.database import DbCheck

        print_json(DbCheck(sound=not findings, findings=findings))
    else:
        print("\n".join(map(clean, findings)) or f"no damage found: {count(database.count(), 'document')}")
    return 1 if findings else 0


def _compact(database: "Database", args: Namespace) -> int:
    done = database.compact()
    if args.json:
        from services.schemas.database import DbCompact

        print_json(DbCompact(file_bytes=done.file_bytes, blobs=done.blobs, blob_bytes=done.blob_bytes))
    else:
        print(
            f"freed {done.file_bytes} bytes of the file; removed {done.blobs} blobs ({done.blob_bytes} bytes)"
        )
    return 0


def _checkpoints(database: "Database", args: Namespace) -> int:
    from sensors.units import format_bytes, format_duration
    from sync.store.checkpoints import TICK_S

    selected = [
        kept
        for kept in database.checkpoints.all()
        if (not args.ids or kept.client in args.ids) and args.of in (None, kept.owner)
    ]
    if unknown := sorted(set(args.ids) - {kept.client for kept in selected}):
        raise FailedError(f"{unknown[0]}: no such checkpoint")
    for kept in selected:
        dropped = args.drop and database.checkpoints.drop(kept.owner, kept.client)
        if args.json:
            from services.schemas.database import DbCheckpoint

            print_json(
                DbCheckpoint(
                    owner=kept.owner,
                    id=kept.client,
                    rev=kept.revision,
                    bytes=kept.size,
                    idle=kept.idle * TICK_S,
                    dropped=dropped,
                )
            )
            continue
        owner = "unknown owner" if kept.owner is None else kept.owner or "anyone"
        idle = f"not used for {format_duration(kept.idle * TICK_S)} of operation" if kept.idle else "in use"
        done = "dropped" if dropped else idle
        print(f"{clean(kept.client)}  {clean(owner)}  {format_bytes(kept.size)}  {done}")
    return 0


def _export(database: "Database", args: Namespace) -> int:
    lines = database.export(deleted=args.deleted)
    if args.file is None:
        sys.stdout.flush()
        for line in lines:
            sys.stdout.write(json_text(line))
        return 0
    number = 0
    # Write either all documents or none, because a partial export would look complete.
    partial = args.file.with_name(f".{args.file.name}.{os.getpid()}")
    try:
        with open(partial, "wb", opener=opener()) as file:
            for line in lines:
                file.write(line)
                number += 1
        partial.replace(args.file)
    finally:
        partial.unlink(missing_ok=True)
    say(f"exported {count(number, 'document')} to {args.file}")
    return 0


def _tell_revision(args: Namespace, revision: str) -> None:
    if args.json:
        from services.schemas.database import DbRevision

        print_json(DbRevision(id=args.id, rev=revision))
    else:
        print(revision)


ACTIONS: Final[dict[str, Callable[["Database", Namespace], int]]] = {
    "get": _get,
    "ls": _ls,
    "rm": _rm,
    "changes": _changes,
    "info": _info,
    "check": _check,
    "compact": _compact,
    "checkpoints": _checkpoints,
    "export": _export,
}
