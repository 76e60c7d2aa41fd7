"""States of an appliance for the lights, with or without faults."""

from typing import Any

from services.lights.facts import LightFacts
from services.state import sync_state
from services.state.liveness import Stamp
from services.state.recorder_state import LiveClock, LiveSensor, LiveState, LiveStorage, Sight
from services.state.sync_state import LiveGateway, LiveMesh, LivePeer

NOW = 5_000.0
UTC = 1_790_000_000.0
STAMP = Stamp(clock=NOW, utc=UTC)


def recorder(**more: Any) -> LiveState:
    return LiveState(
        **{
            "pid": 1,
            "updated": STAMP,
            "vessel": "argo",
            "log": "qwerty",
            "boot": 1,
            "started": UTC,
            "started_clock": 1.0,
            "last_durable": STAMP,
            "recording": True,
            "clock": LiveClock(source="network", uncertainty=0.1),
            "storage": LiveStorage(free=50e9, total=100e9, budget=80e9, used=1e9),
            "sensors": {"bilge": LiveSensor(state="good")},
            **more,
        }
    )


def mesh(**more: Any) -> LiveMesh:
    peers = [LivePeer(vessel="brigid", state="linked")]
    return LiveMesh(
        **{
            "pid": 2,
            "updated": STAMP,
            "vessel": "argo",
            "fleet": "north",
            "peers": peers,
            "gateways": [gateway()],
            **more,
        }
    )


def gateway(state: str = "connected", **more: Any) -> LiveGateway:
    return LiveGateway(name="office", kind="couchbase", url="wss://x/y", state=state, **more)


def facts(
    *,
    recorder_is: LiveState | None = None,
    mesh_is: LiveMesh | None = None,
    dead: tuple[str, ...] = (),
    **more: Any,
) -> LightFacts:
    """Return a state with only the given faults. `dead` names daemons that have ended: `recorder`, `sync`."""
    one, other = recorder_is or recorder(), mesh_is or mesh()
    why = "it is not running"
    return LightFacts(
        recorder=Sight(one, why if "recorder" in dead else ""),
        sync=sync_state.Sight(other, why if "sync" in dead else ""),
        **{"boottime": NOW, "utc": UTC, "expires": UTC + 1e8, **more},
    )
