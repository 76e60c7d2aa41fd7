"""Which revision of a document each remote is known to hold.

Such a revision is not pruned, so that what follows it can be sent as following it; and its body is kept, so
that a difference can be sent instead of the whole.
"""

from typing import Any

from sync.store.engine import Engine


class Remotes:
    """What the remotes of one store hold. A remote's name is its identity, never its address."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def held(self, document_id: str) -> set[str]:
        """The revisions of a document that some remote holds. Inside one of the engine's scopes."""
        return {
            revision
            for (revision,) in self._engine.execute(
                "SELECT rev FROM remote_revs WHERE id = ?", (document_id,)
            )
        }

    def set(self, document_id: str, remote: str, revision: str) -> None:
        """Note that a remote holds this revision now, instead of what it held."""
        with self._engine.writing:
            self._engine.execute("INSERT INTO remotes(name) VALUES (?) ON CONFLICT DO NOTHING", (remote,))
            self._engine.execute(
                "INSERT INTO remote_revs(id, remote, rev)"
                " VALUES (?1, (SELECT n FROM remotes WHERE name = ?2), ?3)"
                " ON CONFLICT(id, remote) DO UPDATE SET rev = ?3 WHERE rev != ?3",
                (document_id, remote, revision),
            )

    def get(self, document_id: str, remote: str) -> str | None:
        """The revision that a remote is known to hold."""
        with self._engine.reading:
            revision: str | None = self._engine.execute(
                "SELECT rev FROM remote_revs WHERE id = ?"
                " AND remote = (SELECT n FROM remotes WHERE name = ?)",
                (document_id, remote),
            ).get
            return revision

    def all(self, document_id: str) -> dict[str, str]:
        """Remote to revision, of one document."""
        with self._engine.reading:
            found: list[tuple[Any, ...]] = self._engine.execute(
                "SELECT name, rev FROM remote_revs JOIN remotes ON n = remote WHERE id = ?", (document_id,)
            ).fetchall()
        return dict(found)

    def forget(self, remote: str) -> None:
        """Forget all that a remote holds: it is gone, or began anew."""
        with self._engine.writing:
            self._engine.execute(
                "DELETE FROM remote_revs WHERE remote = (SELECT n FROM remotes WHERE name = ?)", (remote,)
            )
            self._engine.execute("DELETE FROM remotes WHERE name = ?", (remote,))
