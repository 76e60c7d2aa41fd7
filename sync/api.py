"""The interface for applications, in one place.

    from sync.api import Database, Replicator, ReplicatorConfiguration, URLEndpoint

The names are those in Couchbase Lite where it has equivalents. docs/replication.md shows how to use each.
`sync` itself imports none of these modules, so that a program that needs only the store does not load TLS.
"""

from sync.net.authenticators import (
    BasicAuthenticator,
    CertificateHolder,
    ClientCertificateAuthenticator,
    ListenerAuthenticators,
    ListenerCertificateAuthenticator,
    ListenerPasswordAuthenticator,
    Refusal,
    SessionAuthenticator,
    User,
)
from sync.net.endpoints import MessageEndpoint, URLEndpoint
from sync.net.listener import (
    ConnectionStatus,
    URLEndpointListener,
    URLEndpointListenerConfiguration,
    Visitor,
)
from sync.net.message_listener import MessageEndpointListener
from sync.net.replicator import Replicator, ReplicatorConfiguration, ReplicatorType, Status
from sync.net.tls_identity import TLSIdentity
from sync.peer.active import Activity
from sync.peer.conflicts import Conflict, ConflictResolver, Delete, Keep, Merge, Resolution, default_resolver
from sync.peer.passive import PassiveOptions
from sync.peer.problems import Domain, Problem, ProblemError
from sync.peer.progress import Direction, DocumentEnded, Progress
from sync.peer.selection import DocumentFilter, Selection, Stream
from sync.replication.checkpoint_id import Peer
from sync.store import Database, Document, DocumentPolicy

from .net.byte_streams import DescriptorConnection, StreamConnection
from .net.message_endpoint import (
    MessageEndpointConnection,
    MessagingError,
    ProtocolType,
    ReplicatorConnection,
)

__all__ = [
    "Activity",
    "BasicAuthenticator",
    "CertificateHolder",
    "ClientCertificateAuthenticator",
    "Conflict",
    "ConflictResolver",
    "ConnectionStatus",
    "Database",
    "Delete",
    "DescriptorConnection",
    "Direction",
    "Document",
    "DocumentEnded",
    "DocumentFilter",
    "DocumentPolicy",
    "Domain",
    "Keep",
    "ListenerAuthenticators",
    "ListenerCertificateAuthenticator",
    "ListenerPasswordAuthenticator",
    "Merge",
    "MessageEndpoint",
    "MessageEndpointConnection",
    "MessageEndpointListener",
    "MessagingError",
    "PassiveOptions",
    "Peer",
    "Problem",
    "ProblemError",
    "Progress",
    "ProtocolType",
    "Refusal",
    "Replicator",
    "ReplicatorConfiguration",
    "ReplicatorConnection",
    "ReplicatorType",
    "Resolution",
    "Selection",
    "SessionAuthenticator",
    "Status",
    "Stream",
    "StreamConnection",
    "TLSIdentity",
    "URLEndpoint",
    "URLEndpointListener",
    "URLEndpointListenerConfiguration",
    "User",
    "Visitor",
    "default_resolver",
]
