import pytest
from hypothesis import given
from hypothesis import strategies as st

from sync.blip import BlipConnection, Code, ErrorReceived, RequestReceived
from sync.blip.errors import UnsendableMessageError
from sync.blip.frames import FrameKind
from sync.blip.replies import HTTP_DOMAIN, parse_code
from tests.blip.wire import Maker, Wire, content, names, pull


def reply_to(request: dict[str, str], *, no_reply: bool = False) -> tuple[Wire, RequestReceived]:
    wire = Wire()
    wire.left.send_request(request, no_reply=no_reply)
    _, (event,) = wire.carry()
    assert isinstance(event, RequestReceived)
    return wire, event


@given(st.integers(-(2**31), 2**31 - 1), names, names)
def test_an_error_arrives_as_sent(code: int, message: str, domain: str) -> None:
    wire, request = reply_to({"Profile": "rev"})
    wire.right.send_error(request.number, code, message, domain=domain)
    (error,), _ = wire.carry()
    assert error == ErrorReceived(1, domain, code, message, {"Error-Domain": domain, "Error-Code": str(code)})


def test_default_domain_of_an_error_is_blip() -> None:
    wire, request = reply_to({})
    wire.right.send_error(request.number, Code.FORBIDDEN, "no")
    (error,), _ = wire.carry()
    assert isinstance(error, ErrorReceived)
    assert (error.domain, error.code) == ("BLIP", 403)


@pytest.mark.parametrize(
    ("properties", "body", "domain", "code", "message"),
    [
        ({}, b"", "BLIP", 0, ""),
        ({"Error-Code": "404"}, b"missing", "BLIP", 404, "missing"),
        ({"Error-Code": "409", "Error-Domain": "HTTP"}, b"\xff", HTTP_DOMAIN, 409, "\ufffd"),
        ({"Error-Code": "four"}, b"", "BLIP", 0, ""),
    ],
)
def test_incomplete_errors_of_a_peer_are_decoded(
    properties: dict[str, str], body: bytes, domain: str, code: int, message: str
) -> None:
    connection = BlipConnection()
    connection.send_request()
    pull(connection)
    events = connection.receive(Maker().frame(1, content(body, properties), kind=FrameKind.ERROR))
    assert events == [ErrorReceived(1, domain, code, message, properties)]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("-5", -5),
        ("+7", 7),
        ("2147483647", 2**31 - 1),
        ("-2147483648", -(2**31)),
        ("2147483648", 0),
        ("9" * 5000, 0),
        ("1e3", 0),
        ("٤٠٤", 0),
        ("404\n", 0),
        ("", 0),
    ],
)
def test_a_code_is_a_32_bit_integer_or_zero(text: str, code: int) -> None:
    assert parse_code(text) == code


@pytest.mark.parametrize("code", [2**31, -(2**31) - 1])
def test_a_code_that_does_not_fit_is_not_sent(code: int) -> None:
    wire, request = reply_to({})
    with pytest.raises(UnsendableMessageError, match="32 bits"):
        wire.right.send_error(request.number, code)
    assert wire.right.unanswered == 1


def test_request_with_an_unhandled_profile_gets_404() -> None:
    wire, request = reply_to({"Profile": "sing"})
    assert request.profile == "sing"
    wire.right.send_not_handled(request)
    (error,), _ = wire.carry()
    assert isinstance(error, ErrorReceived)
    assert (error.domain, error.code, error.message) == ("BLIP", 404, "no handler for 'sing'")


def test_unhandled_request_without_a_reply_gets_none() -> None:
    wire, request = reply_to({}, no_reply=True)
    assert request.profile == ""
    wire.right.send_not_handled(request)
    assert wire.carry() == ([], [])
