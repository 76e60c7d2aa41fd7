"""A revision tree is valid after any operations, and every store selects the same winning revision."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sync.store import DocumentError, revisions
from sync.store.revisions import HORIZON
from sync.store.tree import RevisionTree

from .builders import digests, history, rev


@dataclass
class World:
    """Complete history of one document, with the edits of all vessels."""

    parents: dict[str, str | None] = field(default_factory=dict)
    deleted: dict[str, bool] = field(default_factory=dict)

    def edit(self, parent: str | None, *, deleted: bool) -> str:
        generation = 1 if parent is None else revisions.generation(parent) + 1
        made = rev(generation, f"{len(self.parents) * 7919 % 4096:03x}")
        self.parents[made] = parent
        self.deleted[made] = deleted
        return made

    def ancestors(self, revision: str) -> list[str]:
        line = []
        at = self.parents[revision]
        while at is not None:
            line.append(at)
            at = self.parents[at]
        return line

    def leaves(self) -> list[str]:
        parents = set(self.parents.values())
        return [revision for revision in self.parents if revision not in parents]

    def winner(self) -> str:
        return revisions.winner((leaf, self.deleted[leaf]) for leaf in self.leaves())

    def deliver(self, tree: RevisionTree, revision: str, *, depth: int = HORIZON) -> None:
        tree.insert(
            revision, self.ancestors(revision)[:depth], deleted=self.deleted[revision], body=revision.encode()
        )


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """Draw the history of one document, with branches, deletions and long sequences of edits."""
    world = World()
    for _ in range(draw(st.integers(1, 6))):
        known = [None, *world.parents]
        at = draw(st.sampled_from(known[-3:] if draw(st.booleans()) else known))
        for _ in range(draw(st.sampled_from([1, 1, 2, 3, 19, 20, 21, 30]))):
            at = world.edit(at, deleted=False)
        if draw(st.integers(0, 3)) == 0:
            world.edit(at, deleted=True)
    return world


def replica(world: World, order: Sequence[str], random: Random, *, prune: bool = True) -> RevisionTree:
    """Return the revision tree of a store that has received the revisions of a document in this order."""
    tree = RevisionTree()
    for revision in order:
        world.deliver(tree, revision, depth=HORIZON if prune else len(world.parents))
        if prune:
            tree.drop_bodies()
            held = random.sample(sorted(tree.nodes), k=random.randrange(2))
            tree.prune(held)
            assert set(held) <= set(tree.nodes)
        assert tree.faults() == []
    return tree


@settings(max_examples=80, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_winner_is_the_same_in_any_order_of_arrival(world: World, random: Random) -> None:
    for _ in range(3):
        others = [revision for revision in world.parents if revision not in world.leaves()]
        order = world.leaves() + random.sample(others, k=random.randrange(len(others) + 1))
        random.shuffle(order)
        tree = replica(world, order, random)
        assert tree.winner() == world.winner()
        assert set(world.leaves()) <= set(tree.leaves())


@settings(max_examples=40, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_false_leaf_lies_beyond_the_horizon(world: World, random: Random) -> None:
    order = list(world.parents)
    random.shuffle(order)
    tree = replica(world, order, random)
    highest = max(tree.nodes[leaf].generation for leaf in tree.leaves())
    for leaf in set(tree.leaves()) - set(world.leaves()):
        assert highest - tree.nodes[leaf].generation >= HORIZON


@settings(max_examples=40, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_without_pruning_every_order_yields_the_true_tree(world: World, random: Random) -> None:
    order = list(world.parents)
    random.shuffle(order)
    tree = replica(world, order, random, prune=False)
    assert {revision: node.parent for revision, node in tree.nodes.items()} == world.parents


@settings(max_examples=40, deadline=None)
@given(worlds(), st.randoms(use_true_random=False), st.integers(0, 5))
def test_histories_with_gaps_are_joined_to_the_true_ancestry(world: World, random: Random, kept: int) -> None:
    """The parent of each revision in the tree is its nearest ancestor that the tree contains."""
    tree = RevisionTree()
    order = list(world.parents)
    random.shuffle(order)
    for revision in order:
        line = world.ancestors(revision)
        some = [ancestor for ancestor in line if random.randrange(6) <= kept]
        tree.insert(revision, some, deleted=world.deleted[revision], body=b"{}")
        assert tree.faults() == []
    for revision, node in tree.nodes.items():
        assert node.parent is None or node.parent in world.ancestors(revision)
    for revision in order:
        world.deliver(tree, revision, depth=len(world.parents))
    assert {revision: node.parent for revision, node in tree.nodes.items()} == world.parents


@settings(max_examples=40, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_inserting_again_changes_nothing(world: World, random: Random) -> None:
    tree = replica(world, list(world.parents), random)
    before = tree.encode(tree.winner())
    for revision in tree.leaves():
        assert not tree.insert(
            revision, world.ancestors(revision)[:1], deleted=world.deleted[revision], body=b"?"
        )
    assert tree.encode(tree.winner()) == before


@settings(max_examples=40, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_pruning_keeps_the_horizon_of_every_leaf(world: World, random: Random) -> None:
    tree = replica(world, list(world.parents), random, prune=False)
    tree.prune()
    for leaf in world.leaves():
        line = [leaf, *world.ancestors(leaf)]
        assert list(tree.line(leaf))[:HORIZON] == line[:HORIZON]
    assert set(tree.leaves()) == set(world.leaves())
    again = dict(tree.nodes)
    tree.prune()
    assert tree.nodes == again


@settings(max_examples=50, deadline=None)
@given(worlds(), st.randoms(use_true_random=False))
def test_tree_survives_encoding(world: World, random: Random) -> None:
    tree = replica(world, list(world.parents), random)
    winner = tree.winner()
    data = tree.encode(winner)
    body = tree.nodes[winner].body
    assert body is not None
    back = RevisionTree.decode(data, winner=winner, body=body)
    assert back.nodes == tree.nodes
    assert back.encode(winner) == data


@given(
    st.lists(
        st.text("0123456789abcdefABCDEF+/=_.-", min_size=1, max_size=45), min_size=1, max_size=6, unique=True
    )
)
@example(["0a", "0A", "a", "ab", "f" * 40, "f" * 32])
def test_digests_of_any_implementation_survive_encoding(found: list[str]) -> None:
    tree = RevisionTree()
    for digest in found:
        tree.insert(rev(1, digest), [], deleted=False, body=b"{}")
    winner = tree.winner()
    assert RevisionTree.decode(tree.encode(winner), winner=winner, body=b"{}").nodes == tree.nodes


@given(st.binary(max_size=60))
def test_bytes_that_are_not_a_tree_are_refused(data: bytes) -> None:
    try:
        tree = RevisionTree.decode(data, winner="1-a", body=b"{}")
    except ValueError:
        return
    assert "1-a" in tree.nodes


def test_twenty_generations_are_compact() -> None:
    tree = RevisionTree()
    line = [revisions.make(None, deleted=False, body=b"0")]
    for number in range(1, HORIZON):
        line.append(revisions.make(line[-1], deleted=False, body=str(number).encode()))
    tree.insert(line[-1], line[-2::-1], deleted=False, body=b"{}")
    assert len(tree.encode(line[-1])) <= 22 * HORIZON + 8


@given(st.integers(2, 80), digests)
def test_held_revision_stays_linked_below_a_pruned_gap(generation: int, digest: str) -> None:
    tree = RevisionTree()
    tree.insert(rev(1, "held"), [], deleted=False, body=b"{}")
    at = rev(1, "held")
    for number in range(2, generation + 1):
        tree.insert(rev(number, digest), [at], deleted=False, body=b"{}")
        at = rev(number, digest)
        tree.prune([rev(1, "held")])
    assert tree.leaves() == [at]
    assert list(tree.line(at))[-1] == rev(1, "held")
    assert len(tree.nodes) == min(generation, HORIZON + 1)
    assert tree.history(at, until={rev(1, "held")})[-1] == rev(1, "held")


@pytest.mark.parametrize(
    ("until", "limit", "gives"),
    [
        ((), 20, history(30)[:20]),
        ((), 3, ["29-a", "28-a", "27-a"]),
        (("25-a",), 20, ["29-a", "28-a", "27-a", "26-a", "25-a"]),
        (("25-a", "28-a"), 20, ["29-a", "28-a"]),
        (("3-a",), 4, ["29-a", "28-a", "27-a", "3-a"]),
        (("3-a",), 1, ["3-a"]),
        (("99-x",), 2, ["29-a", "28-a"]),
        (("29-a",), 20, ["29-a"]),
    ],
)
def test_history_ends_at_the_ancestor_that_the_peer_named(
    until: tuple[str, ...], limit: int, gives: list[str]
) -> None:
    deep = RevisionTree()
    for number in range(1, 31):
        deep.insert(rev(number), history(number)[:1], deleted=False, body=b"{}")
    assert deep.history("30-a", until=until, limit=limit) == gives


def test_contradictory_history_makes_no_cycle() -> None:
    tree = RevisionTree()
    tree.insert("3-c", ["2-b", "1-a"], deleted=False, body=b"{}")
    tree.insert("4-d", ["3-c", "2-x", "1-y"], deleted=False, body=b"{}")
    assert tree.faults() == []
    assert list(tree.line("4-d")) == ["4-d", "3-c", "2-b", "1-a"]


def test_history_that_contradicts_the_tree_further_down_changes_no_ancestor() -> None:
    tree = RevisionTree()
    tree.insert("5-a", ["3-b"], deleted=False, body=b"{}")
    tree.insert("4-c", ["3-d"], deleted=False, body=b"{}")
    tree.insert("6-e", ["5-a", "4-c"], deleted=False, body=b"{}")
    assert tree.faults() == []
    assert list(tree.line("6-e")) == ["6-e", "5-a", "3-b"]
    assert sorted(tree.leaves()) == ["4-c", "6-e"]


@st.composite
def forged(draw: st.DrawFn) -> list[str]:
    """Draw a revision and its ancestors, which may contradict the ancestors in other drawn histories."""
    generations = sorted(draw(st.sets(st.integers(1, 8), min_size=1, max_size=5)), reverse=True)
    return [rev(generation, draw(st.sampled_from("ab"))) for generation in generations]


@settings(max_examples=500)
@given(st.lists(forged(), min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_no_history_turns_an_ancestor_into_a_leaf(histories: list[list[str]], random: Random) -> None:
    tree = RevisionTree()
    for revision, *ancestors in histories:
        inner = set(tree.nodes) - set(tree.leaves())
        tree.insert(revision, ancestors, deleted=random.random() < 0.2, body=b"{}")
        assert tree.faults() == []
        assert not inner & set(tree.leaves())
        tree.drop_bodies()


def test_invalid_history_does_not_change_the_tree() -> None:
    tree = RevisionTree.single("2-a", deleted=False, body=b"{}")
    with pytest.raises(DocumentError):
        tree.insert("3-b", ["4-c"], deleted=False, body=b"{}")
    assert list(tree.nodes) == ["2-a"]


def test_endless_history_is_not_stored() -> None:
    tree = RevisionTree()
    tree.insert(rev(100_000), history(100_000), deleted=False, body=b"{}")
    assert len(tree.nodes) == HORIZON + 1


def test_faults_lists_inconsistencies_of_a_tree() -> None:
    tree = RevisionTree()
    tree.insert("3-c", ["2-b", "1-a"], deleted=False, body=b"{}")
    del tree.nodes["2-b"]
    tree.nodes["1-a"].generation = 5
    tree.nodes["3-c"].body = None
    said = "\n".join(tree.faults())
    assert "parent 2-b is missing" in said
    assert "1-a: not a revision id of generation 5" in said
    assert "3-c: the leaf revision has no body" in said
    assert RevisionTree().faults() == ["the tree has no revisions"]
