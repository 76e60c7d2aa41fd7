"""The revisions that remotes are known to have. A remote is a peer's copy of the database.

A revision that a remote has is not pruned, so that later revisions can be sent with a history that reaches
back to it. Its body is kept, so that a delta can be sent instead of a whole body.

A remote without a name is identified by the id of its checkpoint, which the remote chooses. A named peer with
more than one database has several remotes `<name>/<database>`, with database ids that the peer reports. In
both cases, a peer could invent any number of ids. So the number of remotes is limited for each owner, and the
records of the oldest remotes are deleted.
"""

import re
from typing import Any, Final

from sync.store.engine import Engine

MOST: Final = 50
"""Maximum number of remotes of one owner, the same as the maximum number of the owner's checkpoints.

A peer needs one remote for each of its databases.
"""
_UNNAMED: Final = "client:"
_DATABASE: Final = re.compile(r"([^/]+/)[^/]+")
"""Pattern of a remote's name that includes a database, `<name>/<database>`. A URL has more slashes."""


def unnamed(owner: str, client: str) -> str:
    """Return the name of a remote that is identified by its owner and the id of its checkpoint."""
    return f"{_UNNAMED}{client.replace('@', '%40')}@{owner}"


class Remotes:
    """Record of the revisions that each remote of a store is known to have.

    The name of a remote is its identity, never its network address.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def held(self, document_id: str) -> set[str]:
        """Return the revisions of a document that at least one remote is known to have.

        Call this in one of the engine's scopes.
        """
        return {
            revision
            for (revision,) in self._engine.execute(
                "SELECT rev FROM remote_revs WHERE id = ?", (document_id,)
            )
        }

    def set(self, document_id: str, remote: str, revision: str) -> None:
        """Record that a remote now has a revision of a document, instead of the revision recorded before."""
        with self._engine.writing:
            self._engine.execute("INSERT INTO remotes(name) VALUES (?) ON CONFLICT DO NOTHING", (remote,))
            if self._engine.connection.changes():
                self._forget_excess(remote)
            self._engine.execute(
                "INSERT INTO remote_revs(id, remote, rev)"
                " VALUES (?1, (SELECT n FROM remotes WHERE name = ?2), ?3)"
                " ON CONFLICT(id, remote) DO UPDATE SET rev = ?3 WHERE rev != ?3",
                (document_id, remote, revision),
            )

    def get(self, document_id: str, remote: str) -> str | None:
        """Return the revision of a document that a remote is known to have, or None."""
        with self._engine.reading:
            revision: str | None = self._engine.execute(
                "SELECT rev FROM remote_revs WHERE id = ?"
                " AND remote = (SELECT n FROM remotes WHERE name = ?)",
                (document_id, remote),
            ).get
            return revision

    def all(self, document_id: str) -> dict[str, str]:
        """Return the revision of a document that each remote is known to have, by the remote's name."""
        with self._engine.reading:
            revisions: list[tuple[Any, ...]] = self._engine.execute(
                "SELECT name, rev FROM remote_revs JOIN remotes ON n = remote WHERE id = ?", (document_id,)
            ).fetchall()
        return dict(revisions)

    def forget(self, remote: str) -> None:
        """Delete the record of a remote that no longer exists or has started again from the beginning."""
        with self._engine.writing:
            self._engine.execute(
                "DELETE FROM remote_revs WHERE remote = (SELECT n FROM remotes WHERE name = ?)", (remote,)
            )
            self._engine.execute("DELETE FROM remotes WHERE name = ?", (remote,))

    def rename(self, remote: str, name: str) -> None:
        """Rename a remote, unless another remote already has the new name."""
        with self._engine.writing:
            self._engine.execute("UPDATE OR IGNORE remotes SET name = ? WHERE name = ?", (name, remote))

    def forget_earlier(self) -> None:
        """Delete the records of unnamed remotes that an older Logboat stored without an owner."""
        with self._engine.writing:
            self._forget(
                "SELECT name FROM remotes WHERE name GLOB ? AND instr(name, '@') = 0", (f"{_UNNAMED}*",)
            )

    def _forget_excess(self, remote: str) -> None:
        """Delete the records of the oldest remotes of the owner of `remote`, so that at most MOST remain."""
        if remote.startswith(_UNNAMED):
            head, tail = _UNNAMED, "@" + remote.partition("@")[2]
        elif named := _DATABASE.fullmatch(remote):
            head, tail = named[1], ""
        else:
            return
        self._forget(
            "SELECT name FROM remotes WHERE substr(name, 1, length(?1)) = ?1"
            " AND substr(name, length(name) - length(?2) + 1) = ?2 ORDER BY n DESC LIMIT -1 OFFSET ?3",
            (head, tail, MOST),
        )

    def _forget(self, names: str, bindings: tuple[Any, ...]) -> None:
        """Delete the records of the remotes whose names the SELECT statement `names` returns."""
        unused: list[tuple[Any, ...]] = self._engine.execute(names, bindings).fetchall()
        for (name,) in unused:
            self.forget(name)
