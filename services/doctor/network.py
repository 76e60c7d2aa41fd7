"""Checks of the network: interfaces, radio, multicast, firewall; the mesh, gateways, identity."""

import socket
import struct
from typing import Final

from services.lights.facts import day
from services.screens.status_lines import quota_words, radio_key_words
from services.state.sync_state import LiveMesh
from services.state.thresholds import EXPIRES_SOON_S
from services.terminal.present import count
from sync.fleet import identity_files
from sync.fleet.errors import IdentityError, NoIdentityError
from sync.mesh.interfaces import read_interfaces, suitable

from .context import Appliance
from .findings import Finding, bad, good, skipped, warn

_WEAK_DBM: Final = -80
_GROUP: Final = "239.255.76.66"
"""Multicast group of the probe.

It lies in the scope that stays on the link (RFC 2365, section 6.1), and no other service uses it.
"""
_PROBE_S: Final = 1.0


def interfaces(patient: Appliance) -> Finding:
    """Check that at least one network interface is up."""
    up = [
        path.parent.name
        for path in patient.glob("sys/class/net/*/operstate")
        if path.read_text().strip() in ("up", "unknown") and path.parent.name != "lo"
    ]
    if not up:
        return warn("no interface is up", "Recording goes on. Check cable and Wi-Fi; the mesh needs one.")
    return good(", ".join(up))


def country(patient: Appliance) -> Finding:
    """Check whether Wi-Fi is allowed to transmit."""
    network = patient.configuration.network
    if not (network.wifi or network.access_point or network.vessel_radio.mode != "off"):
        return skipped("no radio is configured")
    blocked = [
        path.parent.name
        for kind in ("soft", "hard")
        for path in patient.glob(f"sys/class/rfkill/*/{kind}")
        if path.read_text().strip() == "1" and (path.parent / "type").read_text().strip() == "wlan"
    ]
    if blocked:
        return bad(f"Wi-Fi is blocked ({blocked[0]})", "Set [network] country; rfkill unblock wifi.")
    return good(f"Wi-Fi may send, by the rules of {network.country}")


def signal(patient: Appliance) -> Finding:
    """Check the strength of the Wi-Fi signal."""
    lines = (patient.text("proc/net/wireless") or "").splitlines()[2:]
    levels = {line.split(":")[0].strip(): float(line.split()[3].rstrip(".")) for line in lines if ":" in line}
    if not levels:
        return skipped("no Wi-Fi is connected")
    name, level = min(levels.items(), key=lambda each: each[1])
    if level < _WEAK_DBM:
        return warn(
            f"{name}: {level:.0f} dBm, which is weak", "Bring the aerial out of metal and away from it."
        )
    return good(f"{name}: {level:.0f} dBm")


def multicast(patient: Appliance) -> Finding:
    """Check by a real probe, on each interface, that multicast packets leave and come back."""
    del patient
    try:
        found = [interface for interface in suitable(read_interfaces()) if not interface.is_loopback]
    except OSError as error:
        return skipped(f"interfaces cannot be read: {error}")
    if not found:
        return skipped("no interface is up that could carry it")
    deaf = [each.name for each in found if not _comes_back(each.index)]
    if deaf:
        return warn(
            f"{', '.join(deaf)}: nothing came back",
            "Vessels are not found by themselves there: name them in [mesh] static, or end AP isolation.",
        )
    return good(f"comes back on {', '.join(each.name for each in found)}")


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


def firewall(patient: Appliance) -> Finding:
    """Check that the firewall admits connections to the listener's port."""
    try:
        rules = patient.ask(("nft", "list", "ruleset"))
    except OSError:
        return skipped("there is no nftables here")
    if not rules.strip():
        return skipped("no rules, or no right to read them: sudo logboat doctor")
    port = str(patient.configuration.listener.port)
    if port not in rules:
        return bad(
            f"port {port} is not let in", "Let it in in /etc/nftables.conf, or listen on another port."
        )
    return good(f"port {port} is let in")


def identity(patient: Appliance) -> Finding:
    """Check that this vessel has a valid identity."""
    try:
        found = identity_files.load(patient.identity)
    except NoIdentityError:
        return warn("this vessel is of no fleet, and shares nothing", "logboat fleet add and card, ashore.")
    except IdentityError as error:
        return bad(str(error), "Bring the identity once more: logboat fleet card --bundle-only.")
    ends = found.tls.certificate.not_valid_after_utc.timestamp()
    if ends <= patient.utc:
        return bad(
            f"the certificate expired on {day(ends)}", "logboat fleet renew, ashore; then a card or SSH."
        )
    if ends - patient.utc < EXPIRES_SOON_S:
        return warn(
            f"the certificate expires on {day(ends)}", "logboat fleet renew, ashore; then a card or SSH."
        )
    return good(f"{found.vessel} of fleet {found.fleet}, until {day(ends)}")


def mesh(patient: Appliance) -> Finding:
    """Check the links with vessels nearby."""
    state = patient.sync
    if state is None:
        return skipped("the sync daemon is not running")
    if state.fault is not None:
        return skipped(state.fault) if state.waits_for_identity else bad(state.fault, "See the words.")
    near = f"linked with {len(state.linked)} of {len(state.nearby)} nearby"
    if (hindrance := _hindrance(state, near, patient.utc)) is not None:
        return hindrance
    change = state.radio_key
    return good(f"{near}; {radio_key_words(change)}" if change is not None and change.is_ahead else near)


def _hindrance(state: LiveMesh, near: str, utc: float) -> Finding | None:
    """Return a finding if something keeps this vessel and another apart, else None.

    `near` says in words with how many vessels it is linked.
    """
    if state.refused:
        first = state.refused[0]
        return warn(
            f"{first.vessel}: {first.problem or 'refused'}", "Its certificate, or one of the two clocks."
        )
    if state.quotas:
        return warn(
            quota_words(state.quotas[0], utc),
            "Nothing is lost: it comes once the day is over. See what it sends: logboat db changes.",
        )
    if state.radio_key is not None and not state.radio_key.has_part:
        return warn(
            "this vessel has no part in the fleet's new radio key",
            "Bring it its identity folder anew: logboat fleet card --bundle-only.",
        )
    if state.unreached:
        first = state.unreached[0]
        return warn(
            f"{near}; {first.vessel} is not reached: {first.problem}",
            "Nothing if it has sailed. If it lies alongside: its lights, then Wi-Fi or cable.",
        )
    return None


def clones(patient: Appliance) -> Finding:
    """Check whether two boards claim to be the same vessel."""
    state = patient.sync
    if state is None or state.fault is not None:
        return skipped("there is no mesh")
    if state.clones:
        return bad(state.clones[0], "Find the second card; give it a name of its own, or revoke it.")
    return good("nobody else says that it is this vessel")


def gateways(patient: Appliance) -> Finding:
    """Check the sync daemon's real connections to the gateways."""
    state = patient.sync
    if state is None:
        return skipped("the sync daemon is not running")
    if not state.gateways:
        return skipped("no gateway is configured")
    down = [gateway for wanted in _DOWN for gateway in state.gateways if gateway.state == wanted]
    if down:
        words = "; ".join(f"{each.name}: {each.problem or _DOWN[each.state]}" for each in down)
        up = len(state.gateways) - len(down)
        told = f"{words}; {up} of {len(state.gateways)} without a problem" if up else words
        if any(gateway.state == "refused" for gateway in down):
            return bad(told, "See the words; docs/gateways.md has the table.")
        return warn(told, "Nothing is lost; check the uplink.")
    behind = sum(gateway.backlog_documents for gateway in state.gateways)
    return good(f"{len(state.gateways)} configured, {count(behind, 'document')} to go")


_DOWN: Final = {"refused": "it refuses us, or what we send", "connecting": "no answer yet"}
"""States in which nothing is forwarded although it should be, with words for them; the worst first."""
