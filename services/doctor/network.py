"""Network checks: interfaces, radio, multicast, firewall, mesh, gateways and identity."""

import socket
import struct
from collections.abc import Mapping
from typing import Final

from services.lights.facts import day
from services.screens.status_lines import quota_words, radio_key_words
from services.state.sync_state import LiveMesh
from services.state.thresholds import expires_soon
from services.terminal.present import count
from sync.fleet import identity_files
from sync.fleet.errors import IdentityError, NoIdentityError
from sync.gateway.report import GatewayState
from sync.mesh.interfaces import read_interfaces, suitable

from .context import Appliance
from .findings import Finding, bad, good, skipped, warn

_WEAK_DBM: Final = -80
_GROUP: Final = "239.255.76.66"
"""Multicast group used for the probe.

The group's scope is the local link (RFC 2365, section 6.1), and no other service uses the group.
"""
_PROBE_S: Final = 1.0


def interfaces(appliance: Appliance) -> Finding:
    """Check that at least one network interface is up."""
    up = [
        path.parent.name
        for path in appliance.glob("sys/class/net/*/operstate")
        if path.read_text().strip() in ("up", "unknown") and path.parent.name != "lo"
    ]
    if not up:
        return warn(
            "no network interface is up",
            "Recording continues. Check the cable and Wi-Fi; the mesh needs a network.",
        )
    return good(", ".join(up))


def country(appliance: Appliance) -> Finding:
    """Check that a country is configured, without which Wi-Fi must not transmit."""
    network = appliance.configuration.network
    if not (network.wifi or network.access_point or network.vessel_radio.mode != "off"):
        return skipped("no radio configured")
    blocked = [
        path.parent.name
        for kind in ("soft", "hard")
        for path in appliance.glob(f"sys/class/rfkill/*/{kind}")
        if path.read_text().strip() == "1" and (path.parent / "type").read_text().strip() == "wlan"
    ]
    if blocked:
        return bad(
            f"Wi-Fi is blocked ({blocked[0]})", "Set [network] country, then run `rfkill unblock wifi`."
        )
    return good(f"Wi-Fi may transmit, country {network.country}")


def signal(appliance: Appliance) -> Finding:
    """Check the strength of the Wi-Fi signal."""
    lines = (appliance.text("proc/net/wireless") or "").splitlines()[2:]
    levels = {line.split(":")[0].strip(): float(line.split()[3].rstrip(".")) for line in lines if ":" in line}
    if not levels:
        return skipped("no Wi-Fi is connected")
    name, level = min(levels.items(), key=lambda each: each[1])
    if level < _WEAK_DBM:
        return warn(
            f"{name}: weak signal, {level:.0f} dBm",
            "Move the aerial out of metal enclosures and away from metal.",
        )
    return good(f"{name}: {level:.0f} dBm")


def multicast(appliance: Appliance) -> Finding:
    """Check that multicast works, by sending a probe on each interface and receiving it back."""
    del appliance
    try:
        usable = [interface for interface in suitable(read_interfaces()) if not interface.is_loopback]
    except OSError as error:
        return skipped(f"interfaces cannot be read: {error}")
    if not usable:
        return skipped("no suitable network interface is up")
    deaf = [each.name for each in usable if not _comes_back(each.index)]
    if deaf:
        return warn(
            f"{', '.join(deaf)}: the test packet was not received",
            "Vessels cannot be discovered there: list them in [mesh] static, or turn off AP isolation.",
        )
    return good(f"works on {', '.join(each.name for each in usable)}")


def _comes_back(index: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.settimeout(_PROBE_S)
        try:
            probe.bind(("", 0))
            member = struct.pack("4s4si", socket.inet_aton(_GROUP), b"\0\0\0\0", index)
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, member)
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
            probe.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
            probe.sendto(b"logboat doctor", (_GROUP, probe.getsockname()[1]))
            return probe.recv(64) == b"logboat doctor"
        except OSError:
            return False


def firewall(appliance: Appliance) -> Finding:
    """Check that the firewall allows connections to the listener's port."""
    try:
        rules = appliance.ask(("nft", "list", "ruleset"))
    except OSError:
        return skipped("nftables is not installed")
    if not rules.strip():
        return skipped("no rules, or no permission to read them: sudo logboat doctor")
    port = str(appliance.configuration.listener.port)
    if port not in rules:
        return bad(
            f"port {port} is closed in the firewall",
            "Open it in /etc/nftables.conf, or listen on another port.",
        )
    return good(f"port {port} is open in the firewall")


def identity(appliance: Appliance) -> Finding:
    """Check that this vessel has a valid identity."""
    try:
        loaded = identity_files.load(appliance.identity)
    except NoIdentityError:
        return warn(
            "this vessel belongs to no fleet, and does not exchange records",
            "Run `logboat fleet add` and `logboat fleet card` ashore.",
        )
    except IdentityError as error:
        return bad(
            str(error), "Copy the identity to the card again: `logboat fleet card --bundle-only --update`."
        )
    ends = loaded.tls.certificate.not_valid_after_utc.timestamp()
    if ends <= appliance.utc:
        return bad(
            f"the certificate expired on {day(ends)}",
            "Run `logboat fleet renew` ashore, then update the card or copy the identity by SSH.",
        )
    if expires_soon(ends, utc=appliance.utc):
        return warn(
            f"the certificate expires on {day(ends)}",
            "Run `logboat fleet renew` ashore, then update the card or copy the identity by SSH.",
        )
    return good(f"{loaded.vessel}, fleet {loaded.fleet}, valid until {day(ends)}")


def mesh(appliance: Appliance) -> Finding:
    """Check the links to vessels nearby."""
    state = appliance.sync
    if state is None:
        return skipped("the sync daemon is not running")
    if state.fault is not None:
        return skipped(state.fault) if state.waits_for_identity else bad(state.fault, "Fix the fault shown.")
    near = f"linked to {len(state.linked)} of {len(state.nearby)} nearby vessels"
    if (hindrance := _hindrance(state, near, appliance.utc)) is not None:
        return hindrance
    change = state.radio_key
    return good(f"{near}; {radio_key_words(change)}" if change is not None and change.is_ahead else near)


def _hindrance(state: LiveMesh, near: str, utc: float) -> Finding | None:
    """Return a finding if something prevents links to other vessels, else None.

    `near` is human-readable text that states to how many vessels this vessel is linked.
    """
    if state.refused:
        first = state.refused[0]
        return warn(
            f"{first.vessel}: {first.problem or 'refused'}",
            "Check the certificate of that vessel, and the clocks of both vessels.",
        )
    if state.quotas:
        return warn(
            quota_words(state.quotas[0], utc),
            "Nothing is lost: the rejected documents are sent again after the limit resets. To see what was "
            "sent, run `logboat db changes`.",
        )
    if state.radio_key is not None and not state.radio_key.has_part:
        return warn(
            "the fleet's new radio key was not encrypted for this vessel",
            "Copy the vessel's identity folder to the card again:"
            " `logboat fleet card --bundle-only --update`.",
        )
    if state.unreached:
        first = state.unreached[0]
        return warn(
            f"{near}; {first.vessel} is unreachable: {first.problem}",
            "If the vessel has sailed, do nothing. If it is alongside, check its lights, then Wi-Fi or "
            "cable.",
        )
    return None


def clones(appliance: Appliance) -> Finding:
    """Check whether two boards claim to be the same vessel."""
    state = appliance.sync
    if state is None or state.fault is not None:
        return skipped("no mesh")
    if state.clones:
        return bad(
            state.clones[0], "Find the other card; give it a different identity, or revoke its certificate."
        )
    return good("no other board claims to be this vessel")


def gateways(appliance: Appliance) -> Finding:
    """Check the sync daemon's connections to the gateways."""
    state = appliance.sync
    if state is None:
        return skipped("the sync daemon is not running")
    if not state.gateways:
        return skipped("no gateway configured")
    down = [gateway for wanted in _DOWN for gateway in state.gateways if gateway.state == wanted]
    if down:
        words = "; ".join(f"{each.name}: {each.problem or _DOWN[each.state]}" for each in down)
        up = len(state.gateways) - len(down)
        summary = f"{words}; {up} of {len(state.gateways)} gateways work" if up else words
        if any(gateway.state == GatewayState.REFUSED for gateway in down):
            return bad(summary, "Fix the problem shown; docs/gateways.md lists the causes.")
        return warn(summary, "Nothing is lost; check the uplink.")
    behind = sum(gateway.backlog_documents for gateway in state.gateways)
    return good(f"{count(len(state.gateways), 'gateway')} configured, {count(behind, 'document')} to send")


_DOWN: Final[Mapping[str, str]] = {
    GatewayState.REFUSED: "the gateway refuses this vessel, or its documents",
    GatewayState.CONNECTING: "no response yet",
}
"""Descriptions of a gateway's states in which documents are due but cannot be forwarded, worst first."""
