"""`logboat peers` and the mesh line of `logboat status` show the mesh as text and as JSON."""

from pathlib import Path

import pytest

from services.screens.peer_list import describe_route, overview
from services.state.sync_state import LiveMesh, LiveRoute, read
from services.terminal.present import Screen

from . import documents as build
from .appliance import Appliance, logboat
from .documents import UTC, mesh_state, peer, route

__all__ = ["logboat"]

NOW = UTC + 100_000.2
REVOKED = "the certificate of ferry was revoked on 2026-05-01 (stolen)"
QUOTA = {
    "owner": "user:guest",
    "measure": "bytes",
    "limit": 4_000_000,
    "refused": 17,
    "until": NOW + 7_200,
}
FLEET = {
    "peers": [
        peer("brigid", behind=12_345, receiving=7),
        peer("carrick", "connecting", problem="connecting to carrick.local:4984: Connect call failed"),
        peer("ferry", "refused", problem=REVOKED),
        peer("gull", "in sight"),
    ],
    "routes": {
        "brigid": route("brigid", ago=3.2),
        "dagda": route("brigid", "carrick", "dagda", ago=600.0),
        "erin": route("brigid", "?", "erin", ago=86_400.0),
    },
}


def told(tmp_path: Path, **changes: object) -> LiveMesh:
    from services.state import state_file

    state_file.write(state_file.path(tmp_path, "sync"), mesh_state(**{**FLEET, **changes}))
    state = read(tmp_path, boottime=100_000.2, alive=lambda _: True).state
    assert state is not None
    return state


class TestPeers:
    def test_every_nearby_or_distant_vessel_has_a_line(self, logboat: Appliance) -> None:
        logboat.mesh(**FLEET)
        done = logboat("peers")
        assert done.status == 0
        assert done.lines[0] == "argo (fleet north): linked to 1 of 4 nearby vessels, port 4984"
        assert [line.split()[0] for line in done.lines if not line.startswith(" ")][1:] == [
            *("vessel", "ferry", "carrick", "brigid", "gull", "dagda", "erin")
        ]
        words = {line.split()[0]: line.split() for line in done.lines[2:]}
        assert words["brigid"] == [
            "brigid",
            "linked",
            "12",
            "345",
            "7",
            "direct",
            "3",
            "s",
            "12",
            "kB",
            "3.4",
            "MB",
        ]
        assert words["dagda"] == ["dagda", "out", "of", "range", "carrick", ">", "brigid", "10", "min"]
        assert words["erin"] == ["erin", "out", "of", "range", "?", ">", "brigid", "1", "d"]
        assert words["gull"] == ["gull", "in", "range"]

    def test_refusal_is_followed_by_its_reason(self, logboat: Appliance) -> None:
        logboat.mesh(**FLEET)
        lines = logboat("peers").lines
        at = next(number for number, line in enumerate(lines) if line.startswith("ferry"))
        assert "refused" in lines[at]
        assert lines[at + 1] == f"  {REVOKED}"

    def test_sender_over_its_quota_is_named(self, logboat: Appliance) -> None:
        logboat.mesh(
            **FLEET, quotas=[QUOTA | {"owner": "vessel:brigid", "measure": "revisions", "limit": 900}]
        )
        shown = logboat("peers").out
        assert "rejected: vessel brigid has used its daily limit of 900 revisions: 17 rejected" in shown
        assert logboat("peers", "--json").json["quotas"][0]["owner"] == "vessel:brigid"

    def test_duplicate_identities_and_problems_come_first(self, logboat: Appliance) -> None:
        logboat.mesh(**FLEET, clones=["two boards say they are ferry"], problems=["multicast fails"])
        lines = logboat("peers").lines
        assert lines[1:3] == ["DUPLICATE IDENTITY: two boards say they are ferry", "problem: multicast fails"]

    def test_absence_of_nearby_vessels_is_stated(self, logboat: Appliance) -> None:
        logboat.mesh(crew=[{"user": "bridge", "address": "10.0.0.9:5000"}], port=None)
        done = logboat("peers")
        assert done.lines == [
            "argo (fleet north): linked to 0 of 0 nearby vessels, outgoing connections only",
            "crew: bridge (10.0.0.9:5000)",
            "no vessels in range, and no documents received from other vessels yet",
        ]

    def test_address_that_does_not_answer_is_not_nearby(self, logboat: Appliance) -> None:
        logboat.live()
        logboat.mesh(peers=[peer("10.0.0.7:4984/log", "connecting", problem="no route"), peer("brigid")])
        done = logboat("peers")
        assert "linked to 1 of 1 nearby vessels" in done.lines[0]
        assert done.lines[2].split() == ["10.0.0.7:4984/log", "connecting"]
        assert done.lines[3] == "  no route"
        assert "mesh           linked to 1 of 1 nearby vessels" in logboat("status").out

    def test_json_output_has_all_facts(self, logboat: Appliance) -> None:
        logboat.mesh(**FLEET)
        found = logboat("peers", "--json").json
        assert (found["live"], found["whyNot"], found["fleet"]) == (True, None, "north")
        vessels = {each["vessel"]: each for each in found["vessels"]}
        assert vessels["brigid"]["link"]["behind"] == 12_345
        assert vessels["ferry"]["link"]["problem"] == REVOKED
        assert vessels["dagda"]["state"] == "not near"
        assert vessels["dagda"]["route"]["path"] == ["brigid", "carrick", "dagda"]
        assert vessels["dagda"]["route"]["age"] == pytest.approx(600.0)
        [only] = logboat("peers", "--route", "erin", "--json").json["vessels"]
        assert only["vessel"] == "erin"

    def test_text_from_others_cannot_control_the_terminal(self, logboat: Appliance) -> None:
        logboat.mesh(
            peers=[peer("ferry\x1b[2J", "refused", problem="\x1b]0;x\x07")],
            clones=["\x1b[1m"],
            problems=["\x9b"],
        )
        assert not any(
            ord(character) < 32 or 127 <= ord(character) < 160
            for character in "".join(logboat("peers").lines)
        )


class TestRoute:
    def test_route_is_shown_in_the_order_of_travel(self, logboat: Appliance) -> None:
        logboat.mesh(**FLEET)
        done = logboat("peers", "--route", "dagda")
        assert done.lines == [
            "dagda: out of range",
            "  route of its documents: dagda > carrick > brigid > argo",
            "  3 links",
            "  last document 10 min ago, 2025-10-10 12:30:00Z",
        ]

    def test_unknown_part_of_a_route_does_not_count_as_a_link(self, logboat: Appliance) -> None:
        logboat.mesh(**FLEET)
        done = logboat("peers", "--route", "erin")
        assert "erin > ? > brigid > argo" in done.out
        assert "at least 3 links" in done.out

    def test_link_of_a_nearby_vessel_is_shown_too(self, logboat: Appliance) -> None:
        logboat.mesh(**FLEET)
        out = " ".join(logboat("peers", "--route", "brigid").out.split())
        assert "at 10.0.0.2:4984; outgoing connection, up for 1 min; 12 kB sent, 3.4 MB received" in out
        assert "12 345 changes behind, 7 documents pending" in out
        assert "no documents received from it" in logboat("peers", "--route", "gull").out

    def test_unknown_vessel_is_wrong_usage(self, logboat: Appliance) -> None:
        logboat.mesh(**FLEET)
        for more in ((), ("--json",)):
            done = logboat("peers", "--route", "nobody", *more)
            assert (done.status, done.out) == (2, "")
            assert "known vessels: brigid, carrick, dagda, erin, ferry, gull" in done.err


class TestNoMesh:
    def test_remedy_is_shown_when_the_daemon_is_not_running(self, logboat: Appliance) -> None:
        done = logboat("peers")
        assert (done.status, done.out) == (1, "")
        assert "the sync daemon is not running" in done.err
        assert "systemctl restart logboat-sync" in done.err
        assert logboat("peers", "--json").json["live"] is False

    def test_reason_left_by_an_ended_daemon_is_shown(self, logboat: Appliance) -> None:
        logboat.mesh(fault="port 4984 is taken")
        logboat.living.clear()
        assert "is not running (last update 200 ms ago): port 4984 is taken" in logboat("peers").err

    def test_gateways_are_shown_without_a_fleet(self, logboat: Appliance) -> None:
        club = {"name": "club", "kind": "mqtt", "url": "mqtt://x", "state": "connected"}
        logboat.mesh(fleet=None, fault="there is no identity", waitsForIdentity=True, gateways=[club])
        done = logboat("peers")
        assert done.status == 1
        assert done.lines == ["shore club (mqtt): connected, up to date"]
        assert "no mesh: there is no identity" in done.err

    def test_hung_daemon_counts_as_not_running(self, logboat: Appliance) -> None:
        logboat.mesh(**FLEET)
        logboat.clock.boottime += 60
        assert "no update for 1 min" in logboat("peers").err

    def test_remedy_is_shown_when_there_is_no_identity(self, logboat: Appliance) -> None:
        logboat.mesh(
            fleet=None,
            fault="there is no identity; create one with `logboat fleet add`",
            waitsForIdentity=True,
        )
        done = logboat("peers")
        assert done.status == 1
        assert done.err == "logboat: no mesh: there is no identity; create one with `logboat fleet add`\n"

    def test_state_file_of_another_version_is_ignored(self, logboat: Appliance) -> None:
        (logboat.run_folder / "sync.json").write_text('{"version": 1, "pid": "x"}')
        assert "is not valid" in logboat("peers").err


class TestScreen:
    @pytest.mark.parametrize("width", [40, 60, 80])
    def test_no_line_exceeds_the_width_of_the_screen(self, tmp_path: Path, width: int) -> None:
        state = told(tmp_path, clones=["two boards say they are ferry: " + "give one another card, " * 5])
        lines = overview(state, Screen(is_terminal=True, width=width), NOW)
        assert max(map(len, lines)) <= width
        joined = "\n".join(lines)
        told_words = ("brigid", "linked", "refused", "12 345", "revoked", "received", "12 kB", "3.4 MB")
        assert all(word in joined for word in told_words)

    def test_large_fleet_fits_one_screen_that_includes_the_worst_states(self, tmp_path: Path) -> None:
        peers = [peer(f"vessel-{number:03d}", "in sight") for number in range(100)]
        state = told(tmp_path, peers=[*peers, *FLEET["peers"]])
        where = Screen(is_terminal=True, width=80, height=24)
        lines = overview(state, where, NOW)
        assert len(lines) <= 23
        assert lines[-1] == f"and {106 - (len(lines) - 6) - 1} more vessels: use --all"
        assert "ferry" in lines[2]
        whole = overview(state, where, NOW, everything=True)
        assert sum(not line.startswith(" ") for line in whole) == 1 + 1 + 106

    def test_colours_are_used_only_on_a_terminal_and_add_no_information(self, tmp_path: Path) -> None:
        state = told(tmp_path)
        plain = overview(state, Screen(), NOW)
        painted = overview(state, Screen(is_coloured=True), NOW)
        assert not any("\x1b" in line for line in plain)
        assert any(line.startswith("\x1b[1;31mferry") for line in painted)
        for code in ("0", "1", "32", "33", "1;31"):
            painted = [line.replace(f"\x1b[{code}m", "") for line in painted]
        assert painted == plain

    def test_long_route_is_shortened(self) -> None:
        assert describe_route(LiveRoute(path=["b"], hops=1, utc=0.0)) == "direct"
        assert describe_route(LiveRoute(path=["b", "c", "d"], hops=3, utc=0.0)) == "c > b"


class TestStatus:
    def test_silent_link_does_not_count_as_linked(self, logboat: Appliance) -> None:
        logboat.put(build.boot(1, build.network(0, UTC)))
        logboat.live()
        logboat.mesh(peers=[peer("brigid", "silent", behind=3, upFor=60.0, problem="no answer for 4 s")])
        assert (
            "mesh           linked to 0 of 1 nearby vessels; unreachable: brigid; up to 3 changes behind"
            in logboat("status").out
        )
        mesh = logboat("status", "--json").json["mesh"]
        assert (mesh["linked"], mesh["unreached"]) == ([], ["brigid"])
        lines = logboat("peers").lines
        assert lines[2].split()[:3] == ["brigid", "silent", "3"]
        assert lines[3] == "  no answer for 4 s"
        assert "outgoing connection, up for 1 min" in logboat("peers", "--route", "brigid").out
        assert (
            "linked to 0 of 1 nearby vessels; brigid is unreachable: no answer for 4 s"
            in logboat("doctor").out
        )

    def test_doctor_names_a_failed_gateway_although_another_works(self, logboat: Appliance) -> None:
        logboat.live()
        stands = {"name": "office", "kind": "couchbase", "url": "wss://x/y", "state": "connected"}
        down = {
            "name": "club",
            "kind": "mqtt",
            "url": "mqtt://x",
            "state": "connecting",
            "problem": "connecting to x:1883: Connection refused",
            "backlogDocuments": 12,
        }
        for gateways in ([stands, down], [down, stands]):
            logboat.mesh(gateways=gateways)
            checks = {each["name"]: each for each in logboat("doctor", "--json").json["checks"]}
            assert checks["gateways"]["verdict"] == "warn"
            assert "club: connecting to x:1883: Connection refused" in checks["gateways"]["seen"]

    def test_number_of_linked_vessels_is_shown(self, logboat: Appliance) -> None:
        logboat.put(build.boot(1, build.network(0, UTC)))
        logboat.live()
        logboat.mesh(peers=[peer("brigid", behind=3), peer("gull", "in sight")])
        done = logboat("status")
        assert "mesh           linked to 1 of 2 nearby vessels; up to 3 changes behind" in done.out
        assert "to do" not in done.out
        found = logboat("status", "--json").json["mesh"]
        assert (found["linked"], found["nearby"]) == (["brigid"], ["brigid", "gull"])

    @pytest.mark.parametrize(
        ("changes", "line", "todo"),
        [
            (FLEET, "1 refused: ferry", f"check why ferry is refused: {REVOKED}"),
            (
                {"clones": ["two boards are ferry"]},
                "DUPLICATE IDENTITY",
                "resolve a duplicate identity: two boards are ferry",
            ),
            (
                {"quotas": [QUOTA]},
                "REJECTED: user guest has used its daily limit of 4 MB: 17 rejected, the limit resets in 2 h",
                "check what user guest sends (`logboat db changes`): user guest has used its daily limit of",
            ),
            ({"problems": ["no multicast"]}, "no vessels nearby", "check the mesh: no multicast"),
            (
                {"fault": "there is no identity", "waitsForIdentity": True},
                "none: there is no identity",
                "give this vessel an identity",
            ),
            (
                {"fault": "vessel.pem: not PEM"},
                "NO: vessel.pem: not PEM",
                "fix the mesh: vessel.pem: not PEM",
            ),
            (
                {"updated": {"clock": 99_900.0, "utc": UTC}},
                "NO: the sync daemon is not responding: no update for 1 min 40 s",
                "journalctl -u logboat-sync",
            ),
            ({"pid": 1}, "NO: the sync daemon is not running", "start the sync daemon"),
        ],
    )
    def test_problems_of_the_mesh_are_shown_with_remedies(
        self, logboat: Appliance, changes: dict[str, object], line: str, todo: str
    ) -> None:
        logboat.put(build.boot(1, build.network(0, UTC)))
        logboat.live()
        logboat.mesh(**changes)
        done = logboat("status")
        assert line in done.out
        assert todo in done.lines[-1]

    def test_problems_with_recording_come_first(self, logboat: Appliance) -> None:
        logboat.live(fault="the card is full", recording=False)
        logboat.mesh(pid=1)
        assert "fix this first, nothing is being recorded" in logboat("status").lines[-1]

    def test_wrong_configuration_is_reported_once(self, logboat: Appliance) -> None:
        logboat.put(build.boot(1, build.network(0, UTC)))
        logboat.live(problems=["logboat.toml:3: bad"])
        logboat.mesh(problems=["logboat.toml:3: bad"])
        assert logboat("status").lines[-1] == "to do: correct the configuration: logboat.toml:3: bad"
