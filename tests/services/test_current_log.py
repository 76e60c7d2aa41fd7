"""Other vessels cannot write to a vessel's current log, even while the vessel's recorder is not running."""

from pathlib import Path

from services.recovery.current_log import CurrentLog
from services.state import state_file
from sync import documents
from sync.fleet.rights import CertifiedVessel, Rights
from sync.store import Database
from tests.fleet.builders import document, trust

LOGS = ["abcdef", "bcdefg"]


def put_vessel(database: Database) -> None:
    database.put(documents.vessel_id("argo"), {"type": "vessel", "vessel": "argo", "logs": LOGS})


def test_current_log_is_known_before_the_recorder_reports_it_and_after_it_has_stopped(tmp_path: Path) -> None:
    state = state_file.path(tmp_path)
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        log = CurrentLog(tmp_path, database, "argo")
        assert (log(), log.recorded()) == (None, None)
        put_vessel(database)
        assert (log(), log.recorded()) == ("bcdefg", None)
        state_file.write(state, {"log": "cdefgh"})
        assert (log(), log.recorded()) == ("cdefgh", "cdefgh")
        state.unlink()
        assert (log(), log.recorded()) == ("cdefgh", None)


def test_gap_of_our_log_from_another_vessel_is_refused_while_no_recorder_runs(tmp_path: Path) -> None:
    with Database.open(tmp_path / "log.db", policy=documents.POLICY) as database:
        put_vessel(database)
        rights = Rights(
            vessel="argo",
            log=CurrentLog(tmp_path, database, "argo"),
            trust=trust,
            leaves=database.leaves,
        )
        of_now = document(documents.gap_id("argo", "rpm", "bcdefg", 1))
        of_earlier = document(documents.gap_id("argo", "rpm", "abcdef", 1))
        assert "only argo itself can write its current log" in str(
            rights.objection(CertifiedVessel("brigid"), of_now)
        )
        assert rights.objection(CertifiedVessel("brigid"), of_earlier) is None
