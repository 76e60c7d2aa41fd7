"""A vessel records through which other vessels each vessel's documents arrive."""

from hypothesis import given
from hypothesis import strategies as st

from sync.mesh.route_messages import MOST_VESSELS, RoutesMessage
from sync.mesh.routes import MOST_HOPS, Routes
from sync.peer.session import Session
from sync.replication.messages import GetCollections

ids = st.sampled_from(["a", "b", "c", "d", "e", "?", "Not an id", ""])


def test_documents_of_a_neighbour_arrive_by_one_hop() -> None:
    routes = Routes("c")
    routes.arrived("b", "b", 1.0)
    assert routes.all["b"].path == ("b",)
    assert routes.all["b"].hops == 1


def test_documents_passed_on_have_the_route_that_the_neighbour_announced() -> None:
    b, c = Routes("b"), Routes("c")
    b.arrived("a", "a", 1.0)
    c.record_announcement("b", b.announcement())
    c.arrived("b", "a", 2.0)
    assert c.all["a"].path == ("b", "a")
    assert str(c.all["a"]) == "a > b"


def test_route_that_the_neighbour_has_not_announced_contains_an_unknown_hop() -> None:
    routes = Routes("c")
    routes.arrived("b", "a", 1.0)
    assert routes.all["a"].path == ("b", "?", "a")


def test_unknown_hop_is_replaced_as_soon_as_the_neighbour_announces_the_route() -> None:
    c, d = Routes("c"), Routes("d")
    c.arrived("b", "a", 1.0)
    d.record_announcement("c", c.announcement())
    d.arrived("c", "a", 1.0)
    assert d.all["a"].path == ("c", "b", "?", "a")
    c.record_announcement("b", {"a": ("a",)})
    d.record_announcement("c", c.announcement())
    assert str(d.all["a"]) == "a > b > c"


def test_route_is_kept_without_the_neighbour_and_changes_with_the_next_document() -> None:
    routes = Routes("d")
    routes.record_announcement("b", {"a": ("a",)})
    routes.arrived("b", "a", 1.0)
    routes.forget_neighbour("b")
    assert routes.all["a"].path == ("b", "a")
    routes.record_announcement("c", {"a": ("e", "a")})
    routes.arrived("c", "a", 2.0)
    assert str(routes.all["a"]) == "a > e > c"


def test_own_documents_that_return_have_no_route() -> None:
    routes = Routes("a")
    routes.arrived("b", "a", 1.0)
    assert routes.all == {}


def test_version_increases_only_if_routes_have_changed() -> None:
    routes = Routes("c")
    routes.arrived("b", "b", 1.0)
    version = routes.version
    routes.arrived("b", "b", 2.0)
    assert routes.version == version


@given(st.dictionaries(ids, st.lists(ids, max_size=MOST_HOPS + 2).map(tuple)))
def test_malformed_routes_of_a_neighbour_are_ignored(paths: dict[str, tuple[str, ...]]) -> None:
    routes = Routes("c")
    routes.record_announcement("b", paths)
    for vessel in ("a", "b", "d"):
        routes.arrived("b", vessel, 1.0)
        path = routes.all[vessel].path
        assert path[0] == "b"
        assert len(path) <= MOST_HOPS
        assert "c" not in path


def test_table_is_saved_and_a_damaged_one_is_discarded() -> None:
    routes = Routes("c")
    routes.arrived("b", "b", 1.0)
    again = Routes("c")
    again.load(routes.encode())
    assert again.all == routes.all
    again.load(b"{broken")
    assert again.all == {}


# Announcements to neighbours


def sessions() -> tuple[Session, Session, list[RoutesMessage]]:
    """Return a sending session, a receiving session, and a list to which it appends announced routes."""
    told: list[RoutesMessage] = []
    listening = Session(clock=lambda: 0.0)
    listening.handle_extension(RoutesMessage, lambda message, _: told.append(message))
    return Session(clock=lambda: 0.0), listening, told


def carry(one: Session, other: Session) -> None:
    while (frame := one.next_frame()) is not None:
        other.receive([frame])


@given(st.dictionaries(ids, st.lists(ids, max_size=3).map(tuple), max_size=5))
def test_routes_are_received_as_they_were_sent(paths: dict[str, tuple[str, ...]]) -> None:
    near, far, told = sessions()
    near.request(RoutesMessage(paths).encode())
    carry(near, far)
    assert told == [RoutesMessage(paths)]


def test_routes_belong_to_no_collection_and_may_precede_the_list_of_collections() -> None:
    near, far, told = sessions()
    far.handle(GetCollections, lambda _, event: far.respond(event))
    near.request(RoutesMessage({}).encode())
    near.ask_for_collections(GetCollections(("cp-1",), ("_default._default",)), lambda *_: None, None)
    near.request(RoutesMessage({}).encode())
    carry(near, far)
    assert len(told) == 2
    assert far.problem is None


def test_routes_of_too_many_vessels_are_ignored() -> None:
    near, far, told = sessions()
    near.request(RoutesMessage({str(number): () for number in range(MOST_VESSELS + 1)}).encode())
    carry(near, far)
    assert told == []
    assert far.problem is None
