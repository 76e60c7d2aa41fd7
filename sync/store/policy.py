"""The rules that an application defines for its documents. Each rule depends only on a document's id.

    class Recipes(DocumentPolicy):
        def is_single_writer(self, document_id: str) -> bool:
            return document_id.startswith("kitchen:")

    database = Database.open(path, policy=Recipes())

The store and its replication use only this interface to learn about the application's documents. All peers of
a database must have the same policy.
"""

from typing import Final, Protocol


class DocumentPolicy(Protocol):
    """The rules for an application's documents. By default, the same rules apply to all documents."""

    immutable_prefixes: tuple[str, ...] = ()
    """Prefixes of the ids of documents that never change, each ending with a colon.

    The store does not record which revisions of these documents a peer has.
    """

    def is_single_writer(self, document_id: str) -> bool:  # noqa: ARG002
        """Return True if only one peer ever writes the document, so that it cannot have conflicts."""
        return False

    def is_immutable(self, document_id: str) -> bool:
        """Return True if the document never changes."""
        return document_id.startswith(self.immutable_prefixes)

    def channels_of(self, document_id: str) -> frozenset[str] | None:  # noqa: ARG002
        """Return the channels that are determined by a document's id, and therefore never change.

        Return None if the body lists the document's channels.
        """
        return None


class _PlainPolicy(DocumentPolicy):
    """Policy for an application that defines no policy of its own."""


PLAIN: Final[DocumentPolicy] = _PlainPolicy()
"""The default policy, which applies the same rules to all documents."""
