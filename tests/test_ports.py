"""Ports for tests and for the demo are free, and outside the kernel's range for outgoing connections."""

import contextlib
import itertools
import socket

import pytest

from services.demo.ports import fixed_ports, free_ports
from tests.ports import free_port


def test_no_outgoing_connection_gets_a_port_that_was_found_free() -> None:
    found = set(fixed_ports())
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as stack:
        server.listen(64)
        for _ in range(50):
            client = stack.enter_context(socket.create_connection(server.getsockname()))
            assert client.getsockname()[1] not in found


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "::1", "::"])
def test_port_with_a_listener_at_any_address_is_not_free(address: str) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    port = free_port()
    with socket.create_server((address, port), family=family):
        assert list(free_ports(range(port, port + 1))) == []
    assert list(free_ports(range(port, port + 1))) == [port]


def test_each_port_is_returned_once() -> None:
    assert len(set(itertools.islice(free_ports(), 100))) == 100


def test_port_is_not_returned_again_soon() -> None:
    given = [free_port() for _ in range(100)]
    assert len(set(given)) == 100
