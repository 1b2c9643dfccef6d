"""`boardsync doctor`: finds what is wrong, mends what needs no person, and removes no picture."""

from __future__ import annotations

import fcntl
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from boardsync.config.load import load
from boardsync.engine.doctor_litter import litter_symptoms
from cli.place_kit import Place, everything, wait_until
from state.damage import damage


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    for seed in range(3):
        made.picture(f"{seed}.png", seed)
    made.json("once")
    return made


def found(place: Place, code: int) -> dict[str, str]:
    """Return what is wrong, by its subject."""
    told = place.json("doctor", code=code)
    assert told["well"] is (code == 0)
    return {one["subject"]: one["text"] for one in told["findings"] if not one["good"]}


def change(place: Place, *statements: str) -> None:
    with closing(sqlite3.connect(place.state)) as db, db:
        for statement in statements:
            db.execute(statement)


def test_a_sound_setup_is_well_and_nothing_is_changed_by_looking(place: Place) -> None:
    before = everything(place.base)
    assert found(place, 0) == {}
    after = everything(place.base)
    changed = {key for key in after.keys() | before.keys() if after.get(key) != before.get(key)}
    assert {key for key in changed if "state.db" not in key and key != "state"} == set()
    result = place("doctor")
    assert result.exit_code == 0
    for subject in ("content", "rows", "litter", "clock", "permissions", "mirrors"):
        assert subject in result.stdout


def test_rows_that_nobody_needs_are_found_and_removed(place: Place) -> None:
    change(
        place,
        "INSERT INTO hold (id, mirror, side, reason, since_ms) VALUES (1, 1, 'item', 'x', 1)",
        "INSERT INTO held (hold, link) VALUES (1, 4711)",
        "INSERT INTO unproven (board, item_id, since_ms) VALUES (1, 'no such item', 1)",
        "INSERT INTO rot (mirror, path, was, found, noticed_ms)"
        " VALUES (1, CAST('gone.png' AS BLOB), x'00', x'01', 1)",
    )
    assert "held removals without a link: 1" in found(place, 1)["state: rows"]
    told = place.json("doctor", "--mend")
    assert told["mended"] == ["state: rows: 3 rows removed"]
    assert place.json("once")["mirrors"][0]["synced"] == 3


def test_litter_of_processes_that_are_gone_is_removed_and_nothing_else(place: Place) -> None:
    litter = [
        place.folder / "sub" / ".boardsync-tmp-0123456789abcdef",
        place.state.with_name("state.db.part"),
    ]
    fresh = place.folder / ".boardsync-tmp-fresh"
    kept = place.state.with_name("state.db.corrupt-20260101-000000")
    (place.folder / "sub").mkdir()
    for path in (*litter, fresh, kept):
        path.write_bytes(b"x")
        path.chmod(0o600)
    before = place.on_board()
    assert found(place, 0) == {}  # all of it is young: it may be somebody's work
    fresh.unlink()
    settings = load(place.config).settings
    [symptom] = litter_symptoms(settings, None, old_seconds=-1.0)
    assert symptom.finding.text.startswith("2 temporary files that nobody works on: ")
    assert symptom.mend is not None
    with litter[0].open() as working:
        fcntl.flock(working, fcntl.LOCK_EX)
        assert symptom.mend() == "1 temporary files removed"
        assert litter[0].exists()
    assert symptom.mend() == "1 temporary files removed"
    assert not any(path.exists() for path in litter)
    assert kept.exists()
    assert place.on_board() == before


def test_who_may_read_the_state_and_the_trash_is_told_and_mended(place: Place) -> None:
    place.believe_at_once()
    text = place.config.read_text()
    place.config.write_text(
        text.replace("board: Board", "board: Board\n    policies: {item_deleted: trash}")
    )
    (place.boards / "Board" / "0.png").unlink()
    for _ in range(3):
        place("once")
    [trash] = place.base.rglob(".boardsync-trash/m")
    assert stat.S_IMODE(trash.stat().st_mode) == 0o700
    trash.chmod(0o755)
    place.state.chmod(0o644)
    place.folder.chmod(0o777)
    wrong = found(place, 1)
    assert wrong[f"state {place.state}: permissions"].startswith("others may read state.db")
    assert wrong[f"mirror m: trash {trash}"].startswith("others may look into it")
    assert "everybody may write to it" in place("doctor").stdout
    place.json("doctor", "--mend")
    assert stat.S_IMODE(trash.stat().st_mode) == 0o700
    assert stat.S_IMODE(place.state.stat().st_mode) == 0o600
    assert stat.S_IMODE(place.folder.stat().st_mode) == 0o777


def test_a_damaged_state_is_told_with_what_to_do(place: Place) -> None:
    damage(place.state)
    assert "restore-state" in found(place, 1)[f"state {place.state}: content"]


def test_a_clock_behind_the_files_is_told(place: Place) -> None:
    ahead = time.time_ns() + 3600 * 10**9
    change(place, f"UPDATE file SET ctime_ns = {ahead} WHERE path = CAST('0.png' AS BLOB)")
    assert "seconds behind the newest change" in found(place, 1)["clock"]


def test_a_trash_that_another_mirror_would_mirror_is_told(place: Place) -> None:
    (place.base / "more").mkdir()
    trash = place.folder / "rubbish"
    more = f"  - {{name: n, folder: {place.base}/more, server: shelf, board: Other}}"
    more = more.replace("board: Other", f"board: Other, trash: {{folder: {trash}}}")
    place.configure(more=more)
    assert "would mirror it" in found(place, 1)["mirror n"]


def test_beside_a_daemon_the_daemon_mends(place: Place) -> None:
    with place.daemon() as daemon:
        wait_until(lambda: place.pid() is not None, daemon.told)
        assert found(place, 0) == {}
        place.state.chmod(0o644)
        told: dict[str, Any] = place.json("doctor", "--mend")
        assert [one for one in told["mended"] if "state.db" in one]
        assert stat.S_IMODE(place.state.stat().st_mode) == 0o600
        assert place.pid() == daemon.process.pid


def test_without_a_state_it_looks_at_the_rest(tmp_path: Path) -> None:
    place = Place(tmp_path)
    assert found(place, 0) == {}
    assert not place.state.exists()


def test_a_damaged_index_is_told_removed_and_made_anew(place: Place) -> None:
    index = place.state.with_name("index.db")
    assert place.json("status")["index"] == {
        "file": str(index), "pictures": 0, "waiting": 0, "behind": ["m"], "trouble": None,
    }  # fmt: skip
    assert "index: 0 pictures, behind with m" in place("status").stdout
    assert not index.exists()
    place.json("index")
    assert "\nindex: 3 pictures\n" in place("status").stdout
    assert found(place, 0) == {}
    with closing(sqlite3.connect(index)) as db, db:
        db.execute("DELETE FROM part_data WHERE id > 10")
    assert set(found(place, 1)) == {f"index {index}"}
    with closing(sqlite3.connect(index)) as db, db:
        db.execute("DROP TABLE word")
    assert "damaged: word is missing; `boardsync doctor --mend`" in place("status").stdout
    told = place.json("doctor", "--mend")
    assert told["mended"] == [
        f"index {index}: removed; a running daemon makes it anew, or `boardsync index`"
    ]
    assert not index.exists()
    assert place.json("index")[0]["read"] == 3


def test_a_daemon_makes_a_removed_index_anew_by_itself(place: Place) -> None:
    index = place.state.with_name("index.db")

    def pictures() -> int:
        return int(place.json("status")["index"]["pictures"])

    with place.daemon() as daemon:
        wait_until(lambda: pictures() == 3, daemon.told)
        with closing(sqlite3.connect(index)) as db, db:
            db.execute("DROP TABLE word")
        place.json("doctor", "--mend")
        wait_until(lambda: pictures() == 3, daemon.told)


def test_without_an_index_nobody_looks_for_one(place: Place) -> None:
    place.configure(more="index: false")
    assert place.json("status")["index"] is None
    assert "index:" not in place("status").stdout
    assert "index.db" not in place("doctor").stdout
