"""A listener allocates its connection slots fairly. If all are taken, the largest user loses a connection."""

import pytest

from sync.net.connection_slots import ConnectionSlots, NoFreeSlotError


def test_unauthenticated_connections_are_limited_per_address() -> None:
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


def test_oldest_stranger_from_the_busiest_address_is_dropped_for_a_new_one() -> None:
    places = ConnectionSlots[str](100, per_address=3, strangers=5)
    for who, site in (("honest", "boat"), ("x1", "x"), ("x2", "x"), ("x3", "x"), ("y1", "y")):
        assert places.arrive(who, site) is None
    assert places.arrive("new", "shore") == "x1"
    assert places.arrive("newer", "shore") == "x2"
    assert places.enter("honest") is None


def test_connection_that_has_shown_a_certificate_is_not_dropped() -> None:
    places = ConnectionSlots[str](100, per_address=3, strangers=2)
    places.arrive("v1", "x")
    places.show("v1")
    places.arrive("s", "x")
    assert places.arrive("t", "y") == "s"
    places.show("t")
    with pytest.raises(NoFreeSlotError, match="clients are being authenticated"):
        places.arrive("u", "z")


def test_slots_are_reserved_for_clients_with_certificates() -> None:
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


def test_when_all_slots_are_taken_the_client_with_most_connections_loses_one() -> None:
    places = ConnectionSlots[str](8, reserved=3)
    for who, owner in (("a", "guest"), ("b", "guest"), ("c", "guest"), ("d", "cook"), ("e", "cook")):
        places.arrive(who, "quay")
        assert places.enter(who, owner) is None
        places.rename(who, who.upper())
    places.arrive("f", "quay")
    assert places.enter("f", "bridge") == "A"
    places.arrive("g", "quay")
    with pytest.raises(NoFreeSlotError):  # no other client has more slots than the new one would have
        places.enter("g", "bridge")


def test_no_slot_is_reserved_unless_asked_for() -> None:
    places = ConnectionSlots[int](2)
    for number in (1, 2):
        places.arrive(number, "a")
        places.enter(number)
    with pytest.raises(NoFreeSlotError, match="2 connections are open"):
        places.arrive(3, "a")
    places.leave(1)
    assert places.arrive(3, "a") is None
