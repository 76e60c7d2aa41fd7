"""The public names of `sync`, which applications import from here.

    from sync.api import Database, Replicator, ReplicatorConfiguration, URLEndpoint

The names in `__all__` are public. Every other module, and every name that begins with an underscore, is
internal and may change at any time. Where Couchbase Lite has an equivalent, the same name is used.
docs/library.md shows how to use the public names. The package `sync` itself imports none of these modules, so
a program that needs only the store does not load TLS.
"""

from sync.blip import ConnectionLimits
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
from sync.peer.quotas import Allowance, Quota, Quotas
from sync.peer.selection import DocumentFilter, Selection, Stream
from sync.replication.checkpoint_id import Peer
from sync.replication.errors import LiteCoreCode
from sync.replication.limits import MessageLimits
from sync.store import (
    BlobError,
    ChangeWatcher,
    ConflictError,
    DamagedError,
    Database,
    Document,
    DocumentChange,
    DocumentError,
    DocumentPolicy,
    StoreError,
)
from sync.store.blobs import BlobStore

from .net.byte_streams import DescriptorConnection, StreamConnection
from .net.message_endpoint import (
    MessageEndpointConnection,
    MessagingError,
    ProtocolType,
    ReplicatorConnection,
)

__all__ = [
    "Activity",
    "Allowance",
    "BasicAuthenticator",
    "BlobError",
    "BlobStore",
    "CertificateHolder",
    "ChangeWatcher",
    "ClientCertificateAuthenticator",
    "Conflict",
    "ConflictError",
    "ConflictResolver",
    "ConnectionLimits",
    "ConnectionStatus",
    "DamagedError",
    "Database",
    "Delete",
    "DescriptorConnection",
    "Direction",
    "Document",
    "DocumentChange",
    "DocumentEnded",
    "DocumentError",
    "DocumentFilter",
    "DocumentPolicy",
    "Domain",
    "Keep",
    "ListenerAuthenticators",
    "ListenerCertificateAuthenticator",
    "ListenerPasswordAuthenticator",
    "LiteCoreCode",
    "Merge",
    "MessageEndpoint",
    "MessageEndpointConnection",
    "MessageEndpointListener",
    "MessageLimits",
    "MessagingError",
    "PassiveOptions",
    "Peer",
    "Problem",
    "ProblemError",
    "Progress",
    "ProtocolType",
    "Quota",
    "Quotas",
    "Refusal",
    "Replicator",
    "ReplicatorConfiguration",
    "ReplicatorConnection",
    "ReplicatorType",
    "Resolution",
    "Selection",
    "SessionAuthenticator",
    "Status",
    "StoreError",
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
