"""Allocation of a listener's connection slots: who gets a slot, and whose connection is dropped for it."""

import pytest

from sync.net.connection_slots import ConnectionSlots, NoFreeSlotError


def test_an_address_has_few_strangers_and_more_once_one_was_let_in() -> None:
    places = ConnectionSlots[str](100, per_address=2)
    for who in ("a", "b"):
        assert places.arrive(who, "quay") is None
    with pytest.raises(NoFreeSlotError, match="2 connections from this address"):
        places.arrive("c", "quay")
    assert places.arrive("d", "boat") is None
    places.enter("a")
    places.rename("a", "A")
    assert places.arrive("e", "quay") is None
    places.leave("b")
    assert places.arrive("f", "quay") is None
    assert len(places) == 4


def test_of_too_many_strangers_the_oldest_of_the_largest_crowd_gives_way() -> None:
    places = ConnectionSlots[str](100, per_address=3, strangers=5)
    for who, site in (("honest", "boat"), ("x1", "x"), ("x2", "x"), ("x3", "x"), ("y1", "y")):
        assert places.arrive(who, site) is None
    assert places.arrive("new", "shore") == "x1"
    assert places.arrive("newer", "shore") == "x2"
    assert places.enter("honest") is None


def test_who_has_shown_a_certificate_gives_way_to_nobody() -> None:
    places = ConnectionSlots[str](100, per_address=3, strangers=2)
    places.arrive("v1", "x")
    places.show("v1")
    places.arrive("s", "x")
    assert places.arrive("t", "y") == "s"
    places.show("t")
    with pytest.raises(NoFreeSlotError, match="clients are being authenticated"):
        places.arrive("u", "z")


def test_users_leave_places_for_certificates() -> None:
    places = ConnectionSlots[int](6, reserved=2)
    for number in range(4):
        places.arrive(number, str(number))
        assert places.enter(number, f"user {number}") is None
    places.arrive(4, "4")
    with pytest.raises(NoFreeSlotError, match="4 connections are open"):
        places.enter(4, "user 4")
    places.leave(4)
    for number in (5, 6):
        places.arrive(number, "vessels")
        places.show(number)
        assert places.enter(number) is None
    for number in (7, 8, 9, 10):
        places.arrive(number, "vessels")
        places.show(number)
        assert places.enter(number) in (0, 1, 2, 3)
    with pytest.raises(NoFreeSlotError, match="6 connections are open"):
        places.arrive(11, "vessels")


def test_where_all_places_are_taken_whoever_has_most_gives_way() -> None:
    places = ConnectionSlots[str](8, reserved=3)
    for who, owner in (("a", "guest"), ("b", "guest"), ("c", "guest"), ("d", "cook"), ("e", "cook")):
        places.arrive(who, "quay")
        assert places.enter(who, owner) is None
        places.rename(who, who.upper())
    places.arrive("f", "quay")
    assert places.enter("f", "bridge") == "A"
    places.arrive("g", "quay")
    with pytest.raises(NoFreeSlotError):  # the new client would have as many as the others
        places.enter("g", "bridge")


def test_without_certificates_no_place_is_kept() -> None:
    places = ConnectionSlots[int](2)
    for number in (1, 2):
        places.arrive(number, "a")
        places.enter(number)
    with pytest.raises(NoFreeSlotError, match="2 connections are open"):
        places.arrive(3, "a")
    places.leave(1)
    assert places.arrive(3, "a") is None
