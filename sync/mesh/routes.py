"""The routes by which each vessel's documents arrive. Routes are stored locally and never replicated.

Each neighbour announces its own routes. When documents of a vessel arrive from a neighbour, their route is
the neighbour followed by the route that the neighbour has announced. So a recorded route is the route of the
most recent document. It is not necessarily the shortest route.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from sync.documents import NAME

MOST_HOPS: Final = 32
MOST_VESSELS: Final = 500


class Route(msgspec.Struct, frozen=True, array_like=True):
    """The route by which a vessel's documents arrive."""

    path: tuple[str, ...]
    """The vessels that the documents pass through, from our neighbour to the vessel that wrote them.

    "?" stands for an unknown part of the route.
    """
    utc: float
    """Time at which documents last arrived by this route, in seconds since 1970 by the local clock."""

    @property
    def hops(self) -> int:
        """Number of links in the route. If part of the route is unknown, this is the minimum number."""
        return len(self.path)

    def __str__(self) -> str:
        return " > ".join(reversed(self.path))


UNKNOWN: Final = "?"


class Routes:
    """Routing table: the routes by which other vessels' documents reach one vessel."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._announced: dict[str, Mapping[str, tuple[str, ...]]] = {}
        self._routes: dict[str, Route] = {}
        self.version = 0
        """Counter that increases whenever the routes to be announced change."""

    @property
    def all(self) -> dict[str, Route]:
        """The recorded routes, by the id of the vessel that wrote the documents."""
        return dict(self._routes)

    def record_announcement(self, neighbour: str, paths: Mapping[str, tuple[str, ...]]) -> None:
        """Record the valid routes that a neighbour has announced, and update our routes through it."""
        self._announced[neighbour] = {
            vessel: path
            for vessel, path in list(paths.items())[:MOST_VESSELS]
            if NAME.fullmatch(vessel) and len(path) < MOST_HOPS and all(_is_stage(stage) for stage in path)
        }
        for vessel, route in list(self._routes.items()):
            if route.path[0] == neighbour:
                self._note(vessel, Route(self._path(neighbour, vessel), route.utc))

    def forget_neighbour(self, neighbour: str) -> None:
        """Remove the announcement of a vessel that is no longer a neighbour. Recorded routes are kept."""
        self._announced.pop(neighbour, None)

    def arrived(self, neighbour: str, vessel: str, utc: float) -> None:
        """Record that documents of a vessel have arrived from a neighbour."""
        if vessel == self._own or (vessel not in self._routes and len(self._routes) >= MOST_VESSELS):
            return
        self._note(vessel, Route(self._path(neighbour, vessel), utc))

    def announcement(self) -> dict[str, tuple[str, ...]]:
        """Return the paths of our routes, by vessel, to be announced to neighbours."""
        return {vessel: route.path for vessel, route in self._routes.items()}

    def encode(self) -> bytes:
        """Encode the routing table for storage."""
        return msgspec.json.encode({"routes": self._routes})

    def load(self, stored: bytes) -> None:
        """Load a stored routing table.

        If the table is malformed, it is treated as empty, because routes are only informational.
        """
        try:
            routes = msgspec.json.decode(stored, type=_StoredRoutes).routes
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            routes = {}
        self._routes = {vessel: route for vessel, route in routes.items() if route.path}
        self.version += 1

    def _note(self, vessel: str, route: Route) -> None:
        before = self._routes.get(vessel)
        if before is None or before.path != route.path:
            self.version += 1
        self._routes[vessel] = route

    def _path(self, neighbour: str, vessel: str) -> tuple[str, ...]:
        if vessel == neighbour:
            return (neighbour,)
        onward = self._announced.get(neighbour, {}).get(vessel)
        if onward is None or self._own in onward:
            return (neighbour, UNKNOWN, vessel)
        return (neighbour, *onward)


class _StoredRoutes(msgspec.Struct):
    routes: dict[str, Route]


def _is_stage(stage: str) -> bool:
    return stage == UNKNOWN or NAME.fullmatch(stage) is not None
