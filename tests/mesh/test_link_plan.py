"""Vessels choose enough links for documents to reach all vessels, but no vessel exceeds its link limit."""

from collections.abc import Mapping

from hypothesis import given
from hypothesis import strategies as st

from sync.mesh.link_plan import MeshNode, Role, keeps_dialled, may_dial, surplus, wanted

Sight = dict[str, set[str]]
"""Vessels that each vessel has discovered. Sightings are always mutual."""


def names(count: int) -> list[str]:
    return [f"v{number:02d}" for number in range(count)]


def everybody(vessels: list[str]) -> Sight:
    return {vessel: set(vessels) - {vessel} for vessel in vessels}


@st.composite
def sights(draw: st.DrawFn) -> Sight:
    """Draw sightings that connect all vessels, directly or through other vessels."""
    vessels = draw(st.permutations(names(draw(st.integers(2, 24)))))
    sight: Sight = {vessel: set() for vessel in vessels}
    for number, vessel in enumerate(vessels[1:], start=1):
        other = vessels[draw(st.integers(0, number - 1))]
        sight[vessel].add(other)
        sight[other].add(vessel)
    for _ in range(draw(st.integers(0, 60))):
        one, other = draw(st.sampled_from(vessels)), draw(st.sampled_from(vessels))
        if one != other:
            sight[one].add(other)
            sight[other].add(one)
    return sight


def place(vessel: str, most: int) -> MeshNode:
    return MeshNode(vessel, max_peers=most)


def seen_by(vessel: str, sight: Sight, links: Sight) -> dict[str, frozenset[str]]:
    return {other: frozenset(links[other]) for other in sight[vessel]}


def meet(sight: Sight, most: int) -> Sight:
    """Simulate vessels that choose, open and close links until no links change, and return the links."""
    links: Sight = {vessel: set() for vessel in sight}
    for _ in range(40):
        before = {vessel: set(others) for vessel, others in links.items()}
        for vessel in sight:
            for other in wanted(place(vessel, most), seen_by(vessel, sight, links)):
                links[vessel].add(other)
                links[other].add(vessel)
        for vessel in sight:
            found = surplus(place(vessel, most), seen_by(vessel, sight, links), links[vessel], links[vessel])
            if found is not None:
                links[vessel].discard(found)
                links[found].discard(vessel)
        if links == before:
            return links
    raise AssertionError(f"no rest: {links}")


def reached(links: Mapping[str, set[str]]) -> set[str]:
    start = next(iter(links))
    found, edge = {start}, [start]
    while edge:
        for other in links[edge.pop()] - found:
            found.add(other)
            edge.append(other)
    return found


@given(sights(), st.integers(2, 8))
def test_links_reach_every_reachable_vessel(sight: Sight, most: int) -> None:
    links = meet(sight, most)
    assert reached(links) == set(sight)


@given(st.integers(2, 40), st.integers(2, 10))
def test_no_vessel_exceeds_its_limit_if_all_see_each_other(count: int, most: int) -> None:
    links = meet(everybody(names(count)), most)
    assert reached(links) == set(links)
    assert max(len(others) for others in links.values()) <= most


@given(st.integers(2, 40), st.integers(2, 10))
def test_both_ends_select_the_same_links_if_all_see_each_other(count: int, most: int) -> None:
    vessels = names(count)
    sight = everybody(vessels)
    links = meet(sight, most)
    for vessel in vessels:
        for other in wanted(place(vessel, most), seen_by(vessel, sight, links)):
            assert vessel in wanted(place(other, most), seen_by(other, sight, links))


def test_few_vessels_are_all_linked_with_each_other() -> None:
    assert wanted(MeshNode("b"), {"a": (), "c": (), "d": ()}) == {"a", "c", "d"}


def test_vessel_without_any_known_link_is_linked_beyond_the_limit() -> None:
    near = {vessel: ["v00"] for vessel in names(9)[1:]}
    ring = wanted(MeshNode("v00", max_peers=2), near)
    assert "v08" in ring
    alone = near | {"v99": []}
    assert "v99" in wanted(MeshNode("v04", max_peers=2), alone | {"v00": names(9)[1:]})


def test_spoke_is_linked_only_with_its_hubs() -> None:
    spoke = MeshNode("argo", hubs=frozenset({"depot", "quay"}))
    assert wanted(spoke, {"brigid": (), "depot": ()}) == {"depot"}
    assert wanted(spoke, {"brigid": ()}) == frozenset()


def test_hub_is_linked_with_all_vessels_and_gives_up_no_link() -> None:
    hub = MeshNode("depot", role=Role.HUB, max_peers=2)
    crowd = dict.fromkeys(names(20), ("depot",))
    assert wanted(hub, crowd) == set(names(20))
    assert surplus(hub, crowd, crowd, crowd) is None


def test_only_a_redundant_link_is_given_up() -> None:
    me, alone = MeshNode("a", max_peers=2), {vessel: ["a"] for vessel in "bcdefg"}
    assert surplus(me, alone, alone, alone) is None
    joined = alone | {"d": ["a", "e"], "e": ["a", "d"]}
    assert surplus(me, joined, joined, joined) == "e"


@given(st.floats(0, 1), st.floats(0, 60))
def test_vessel_with_the_smaller_id_dials_at_once_and_the_other_later(
    chance: float, wanted_for: float
) -> None:
    assert may_dial(MeshNode("a"), "b", wanted_for=wanted_for, chance=chance) <= 0
    assert may_dial(MeshNode("b"), "a", wanted_for=0, chance=chance) >= 15
    assert may_dial(MeshNode("b"), "a", wanted_for=30, chance=chance) <= 0


def test_passive_only_vessel_never_dials() -> None:
    silent = MeshNode("a", role=Role.PASSIVE_ONLY)
    assert may_dial(silent, "b", wanted_for=1e9, chance=0) == float("inf")


def test_vessel_that_cannot_be_dialled_or_dials_its_hub_does_not_wait() -> None:
    assert may_dial(MeshNode("b", role=Role.ACTIVE_ONLY), "a", wanted_for=0, chance=1) <= 0
    assert may_dial(MeshNode("b", hubs=frozenset({"a"})), "a", wanted_for=0, chance=1) <= 0


@given(st.text(min_size=1), st.text(min_size=1))
def test_exactly_one_of_two_links_is_kept(one: str, other: str) -> None:
    if one != other:
        assert keeps_dialled(one, other) != keeps_dialled(other, one)
