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
    """The rules that an application defines for its documents.

    By default, the same rules apply to all documents.
    """

    immutable_prefixes: tuple[str, ...] = ()
    """Id prefixes of documents that never change. Each prefix ends with a colon.

    For these documents, the store does not record which revisions a peer has.
    """

    def is_single_writer(self, document_id: str) -> bool:  # noqa: ARG002
        """Return True if only one peer ever writes a document. Such a document cannot have conflicts."""
        return False

    def is_immutable(self, document_id: str) -> bool:
        """Return True if a document never changes after it was first stored."""
        return document_id.startswith(self.immutable_prefixes)

    def channels_of(self, document_id: str) -> frozenset[str] | None:  # noqa: ARG002
        """Return the channels of a document if they are derived from its id, and therefore never change.

        Return None if the document's body lists its channels.
        """
        return None


class _PlainPolicy(DocumentPolicy):
    """Policy for an application that defines no policy of its own."""


PLAIN: Final[DocumentPolicy] = _PlainPolicy()
"""The default policy, which applies the same rules to all documents."""
