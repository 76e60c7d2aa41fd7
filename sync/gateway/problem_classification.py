"""Classification of problems with a Couchbase gateway as temporary or permanent, with explanations."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from sync.gateway.report import GatewayState
from sync.net.backoff import is_transient
from sync.peer.problems import Domain, Problem

_PORTAL: Final = frozenset(
    {
        HTTPStatus.OK,
        HTTPStatus.MOVED_PERMANENTLY,
        HTTPStatus.FOUND,
        HTTPStatus.SEE_OTHER,
        HTTPStatus.TEMPORARY_REDIRECT,
        HTTPStatus.PERMANENT_REDIRECT,
        HTTPStatus.NETWORK_AUTHENTICATION_REQUIRED,
    }
)
"""HTTP status codes of web pages and captive portals (RFC 6585, section 6) in answer to the handshake."""
_PORTAL_WORDS: Final = (
    "a web page answers instead of a gateway; this network may require a login (a captive portal), or"
    " the address is wrong"
)
_WORDS: Final[Mapping[int, str]] = {
    HTTPStatus.UNAUTHORIZED: (
        "the user name, password or session is wrong; check them at the gateway and in the configuration"
    ),
    HTTPStatus.FORBIDDEN: "this user has no access to the database; ask the gateway's operator for access",
    HTTPStatus.NOT_FOUND: "the database does not exist; check the last part of the address",
}


def classify_problem(problem: Problem) -> tuple[GatewayState, str]:
    """Return the state of the gateway that this problem causes, and a human-readable explanation."""
    if problem.domain is Domain.WEBSOCKET and problem.code in _PORTAL:
        return GatewayState.CONNECTING, f"{problem.text}: {_PORTAL_WORDS}"
    if problem.domain is Domain.WEBSOCKET and problem.code in _WORDS:
        return GatewayState.REFUSED, f"{problem.text}: {_WORDS[problem.code]}"
    if problem.domain in {Domain.TLS, Domain.LITECORE, Domain.BLIP, Domain.CONFIGURATION}:
        return GatewayState.REFUSED, problem.text
    if problem.domain is Domain.WEBSOCKET and 400 <= problem.code < 500 and not is_transient(problem):
        return GatewayState.REFUSED, problem.text
    return GatewayState.CONNECTING, problem.text
