"""The state that the sync daemon publishes every second: the contents of `sync.json`.

Format, version 1 (`clock`: boot clock in seconds, `utc`: seconds since 1970):

    pid, vessel, board, started, problems
    updated                  {clock, utc}
    fault                    null, or the reason why there is no mesh
    waitsForIdentity         true if the reason is that there is no identity yet
    fleet, port, fingerprint null without a mesh; the fingerprint is our certificate's
    expires                  expiry of our certificate, null without a mesh
    peers                    [{vessel, state, address, dialled, upFor, behind, receiving, sent, received, log,
                             version, problem}]
    gateways                 [{name, kind, url, state, since, lastAcknowledged, backlogDocuments,
                             backlogBytes, refusedDocuments, refused [{id, reason, when}], rate, problem,
                             estimatedSeconds}], with or without a mesh
    quotas                   [{owner, measure: bytes or revisions, limit: for a day, refused, until}]: used-up
                             quotas, with or without a mesh
    crew                     [{user, address}]
    routes                   vessel -> {path, hops, utc}
    clones                   in words
    radioKey                 null if the radio's key never changed, or {number, begins, hasPart: true if this
                             vessel has a part in it, hasBegun}; missing without a mesh
"""

import dataclasses
import os
import time
from collections.abc import Sequence
from typing import Any

from sync.gateway.report import GatewayReport
from sync.mesh.report import MeshReport
from sync.peer.quotas import ExhaustedAllowance


def state(
    *,
    vessel: str,
    board: str,
    started: float,
    problems: list[str],
    fault: str | None = None,
    waits_for_identity: bool = False,
    gateways: Sequence[GatewayReport] = (),
    quotas: Sequence[ExhaustedAllowance] = (),
) -> dict[str, Any]:
    """Return the contents of the state file, without the members that describe a running mesh."""
    return {
        "pid": os.getpid(),
        "started": started,
        "updated": {"clock": time.clock_gettime(time.CLOCK_BOOTTIME), "utc": time.time()},
        "vessel": vessel,
        "fleet": None,
        "board": board,
        "problems": problems,
        "fault": fault,
        "waitsForIdentity": waits_for_identity,
        "gateways": [
            {_camel(name): value for name, value in dataclasses.asdict(gateway).items()}
            | {"state": gateway.state.value, "estimatedSeconds": gateway.estimated_seconds}
            for gateway in gateways
        ],
        "quotas": [
            {
                "owner": bite.owner,
                "measure": bite.measure.value,
                "limit": bite.limit,
                "refused": bite.refused,
                "until": time.time() + bite.seconds,
            }
            for bite in quotas
        ],
    }


def of_mesh(
    report: MeshReport,
    *,
    fingerprint: str,
    expires: float,
    problems: list[str],
    radio_key: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the members that a running mesh adds to the contents; `problems` are the daemon's problems."""
    return {
        "vessel": report.vessel,
        "fleet": report.fleet,
        "port": report.port,
        "fingerprint": fingerprint,
        "expires": expires,
        "problems": [*problems, *report.problems],
        "peers": [
            {_camel(name): value for name, value in dataclasses.asdict(peer).items()}
            | {"state": peer.state.value}
            for peer in report.peers
        ],
        "crew": [{"user": user, "address": address} for user, address in report.crew],
        "routes": {
            vessel: {"path": list(route.path), "hops": route.hops, "utc": route.utc}
            for vessel, route in report.routes.items()
        },
        "clones": report.clones,
        "radioKey": radio_key,
    }


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
