"""A vessel knows the route by which documents came, whichever vessels carried them."""

from hypothesis import given
from hypothesis import strategies as st

from sync.mesh.routes import MOST_HOPS, Routes

ids = st.sampled_from(["a", "b", "c", "d", "e", "?", "Not an id", ""])


def test_documents_of_a_neighbour_come_by_one_hop() -> None:
    routes = Routes("c")
    routes.arrived("b", "b", 1.0)
    assert routes.all["b"].path == ("b",)
    assert routes.all["b"].hops == 1


def test_documents_passed_on_come_by_the_way_that_the_neighbour_told() -> None:
    b, c = Routes("b"), Routes("c")
    b.arrived("a", "a", 1.0)
    c.record_announcement("b", b.announcement())
    c.arrived("b", "a", 2.0)
    assert c.all["a"].path == ("b", "a")
    assert str(c.all["a"]) == "a > b"


def test_way_of_which_the_neighbour_has_not_told_is_known_to_be_unknown() -> None:
    routes = Routes("c")
    routes.arrived("b", "a", 1.0)
    assert routes.all["a"].path == ("b", "?", "a")


def test_way_is_known_as_soon_as_the_neighbour_tells_and_by_those_who_were_told_less() -> None:
    c, d = Routes("c"), Routes("d")
    c.arrived("b", "a", 1.0)
    d.record_announcement("c", c.announcement())
    d.arrived("c", "a", 1.0)
    assert d.all["a"].path == ("c", "b", "?", "a")
    c.record_announcement("b", {"a": ("a",)})
    d.record_announcement("c", c.announcement())
    assert str(d.all["a"]) == "a > b > c"


def test_way_stays_when_the_neighbour_has_gone_and_changes_with_the_next_document() -> None:
    routes = Routes("d")
    routes.record_announcement("b", {"a": ("a",)})
    routes.arrived("b", "a", 1.0)
    routes.forget_neighbour("b")
    assert routes.all["a"].path == ("b", "a")
    routes.record_announcement("c", {"a": ("e", "a")})
    routes.arrived("c", "a", 2.0)
    assert str(routes.all["a"]) == "a > e > c"


def test_own_documents_that_come_back_have_no_way() -> None:
    routes = Routes("a")
    routes.arrived("b", "a", 1.0)
    assert routes.all == {}


def test_version_rises_only_when_there_is_something_new_to_tell() -> None:
    routes = Routes("c")
    routes.arrived("b", "b", 1.0)
    version = routes.version
    routes.arrived("b", "b", 2.0)
    assert routes.version == version


@given(st.dictionaries(ids, st.lists(ids, max_size=MOST_HOPS + 2).map(tuple)))
def test_nonsense_that_a_neighbour_tells_does_no_harm(paths: dict[str, tuple[str, ...]]) -> None:
    routes = Routes("c")
    routes.record_announcement("b", paths)
    for vessel in ("a", "b", "d"):
        routes.arrived("b", vessel, 1.0)
        path = routes.all[vessel].path
        assert path[0] == "b"
        assert len(path) <= MOST_HOPS
        assert "c" not in path


def test_table_is_kept_and_a_broken_one_forgotten() -> None:
    routes = Routes("c")
    routes.arrived("b", "b", 1.0)
    again = Routes("c")
    again.load(routes.encode())
    assert again.all == routes.all
    again.load(b"{broken")
    assert again.all == {}
