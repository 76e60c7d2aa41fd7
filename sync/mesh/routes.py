"""By which way the documents of each vessel reach this one. Pure; kept in a local table, never in documents.

A neighbour tells its own ways; when a vessel's documents come from it, the way here is by that neighbour, and
on as it said. So the way is that which the last document took, not the shortest there might be.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from sync.documents import NAME

MOST_HOPS: Final = 32
MOST_VESSELS: Final = 500


class Route(msgspec.Struct, frozen=True, array_like=True):
    """How a vessel's documents come here."""

    path: tuple[str, ...]
    """The vessels they pass, from the neighbour that gives them to us to the one that wrote them; "?" stands
    for a stretch that nobody told."""
    utc: float
    """When the last one came, seconds since 1970 by the clock here."""

    @property
    def hops(self) -> int:
        """How many links; at least so many, if a stretch is unknown."""
        return len(self.path)

    def __str__(self) -> str:
        return " > ".join(reversed(self.path))


UNKNOWN: Final = "?"


class Routes:
    """The table of one vessel."""

    def __init__(self, own: str) -> None:
        self._own = own
        self._told: dict[str, Mapping[str, tuple[str, ...]]] = {}
        self._routes: dict[str, Route] = {}
        self.version = 0
        """Rises when what is to be told has changed."""

    @property
    def all(self) -> dict[str, Route]:
        """By the vessel that wrote the documents."""
        return dict(self._routes)

    def told(self, neighbour: str, paths: Mapping[str, tuple[str, ...]]) -> None:
        """A neighbour tells its ways: those of what came by it are known better now. Nonsense is left out."""
        self._told[neighbour] = {
            vessel: path
            for vessel, path in list(paths.items())[:MOST_VESSELS]
            if NAME.fullmatch(vessel) and len(path) < MOST_HOPS and all(_is_stage(stage) for stage in path)
        }
        for vessel, route in list(self._routes.items()):
            if route.path[0] == neighbour:
                self._note(vessel, Route(self._path(neighbour, vessel), route.utc))

    def gone(self, neighbour: str) -> None:
        """There is no link with it any more. What came by it has come all the same."""
        self._told.pop(neighbour, None)

    def arrived(self, neighbour: str, vessel: str, utc: float) -> None:
        """Documents of a vessel have come from a neighbour."""
        if vessel == self._own or (vessel not in self._routes and len(self._routes) >= MOST_VESSELS):
            return
        self._note(vessel, Route(self._path(neighbour, vessel), utc))

    def to_tell(self) -> dict[str, tuple[str, ...]]:
        """Our ways, for neighbours."""
        return {vessel: route.path for vessel, route in self._routes.items()}

    def encode(self) -> bytes:
        """The table, to be kept."""
        return msgspec.json.encode({"routes": self._routes})

    def load(self, kept: bytes) -> None:
        """Take up a table that was kept; one that cannot be read is forgotten: it is only for people."""
        try:
            found = msgspec.json.decode(kept, type=_Kept).routes
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            found = {}
        self._routes = {vessel: route for vessel, route in found.items() if route.path}
        self.version += 1

    def _note(self, vessel: str, route: Route) -> None:
        before = self._routes.get(vessel)
        if before is None or before.path != route.path:
            self.version += 1
        self._routes[vessel] = route

    def _path(self, neighbour: str, vessel: str) -> tuple[str, ...]:
        if vessel == neighbour:
            return (neighbour,)
        onward = self._told.get(neighbour, {}).get(vessel)
        if onward is None or self._own in onward:
            return (neighbour, UNKNOWN, vessel)
        return (neighbour, *onward)


class _Kept(msgspec.Struct):
    routes: dict[str, Route]


def _is_stage(stage: str) -> bool:
    return stage == UNKNOWN or NAME.fullmatch(stage) is not None
