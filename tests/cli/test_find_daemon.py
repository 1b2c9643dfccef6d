"""The index beside a running daemon: it follows the folder by itself, and anybody may search."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from cli.place_kit import Place, wait_until
from generation_samples import SEED, WEBUI, png


def told_by(seed: int, word: str = "lighthouse") -> bytes:
    text = WEBUI.replace(str(SEED), str(seed)).replace("lighthouse", word)
    return png({"parameters": text}, "tEXt")


def found(place: Place, *query: str) -> list[str]:
    """Return the names of what is found, and nothing before there is an index."""
    result = place("find", *query, "--json")
    if result.exit_code:
        return []
    return [Path(one["file"]).name for one in json.loads(result.stdout)["found"]]


def becomes(place: Place, query: str, names: list[str]) -> Callable[[], bool]:
    return lambda: sorted(found(place, query)) == names


def test_a_daemon_follows_what_comes_changes_moves_and_goes(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.picture("before.png", content=told_by(1))
    with place.daemon() as daemon:
        wait_until(becomes(place, "lighthouse", ["before.png"]), daemon.told)
        place.picture("sub/live.png", content=told_by(2))
        wait_until(becomes(place, "lighthouse", ["before.png", "live.png"]), daemon.told)
        place.picture("before.png", content=told_by(1, "harbour"))
        wait_until(becomes(place, "harbour", ["before.png"]), daemon.told)
        wait_until(becomes(place, "lighthouse", ["live.png"]), daemon.told)
        (place.folder / "sub" / "live.png").rename(place.folder / "moved.png")
        wait_until(becomes(place, "seed:2", ["moved.png"]), daemon.told)
        (place.folder / "moved.png").unlink()
        wait_until(becomes(place, "seed:2", []), daemon.told)
        [standing] = place.json("find", "harbour")["index"]
        assert (standing["mirror"], standing["unread"]) == ("m", 0)
        assert standing["age_seconds"] < 3600
        # A command beside it does the same work once more, and nothing is lost or doubled.
        [done] = place.json("index")
        assert (done["pictures"], done["failed"]) == (1, 0)
        assert found(place, "harbour") == ["before.png"]
        daemon.process.terminate()
        assert daemon.ends() == 0
    assert "index could not follow" not in daemon.told()
    assert (tmp_path / "state" / "index.db").stat().st_mode & 0o777 == 0o600
    assert found(place, "harbour") == ["before.png"]


def test_an_index_that_is_deleted_or_spoilt_beside_the_daemon_comes_back(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.picture("a.png", content=told_by(1))
    index = tmp_path / "state" / "index.db"
    with place.daemon() as daemon:
        wait_until(becomes(place, "lighthouse", ["a.png"]), daemon.told)
        index.unlink()
        place.picture("b.png", content=told_by(2))
        wait_until(becomes(place, "lighthouse", ["a.png", "b.png"]), daemon.told)
        index.write_bytes(b"\0" * 8192)
        place.picture("c.png", content=told_by(3))
        wait_until(becomes(place, "lighthouse", ["a.png", "b.png", "c.png"]), daemon.told)


def test_without_an_index_a_daemon_makes_none(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.configure(more="index: false")
    place.picture("a.png", content=told_by(1))
    with place.daemon() as daemon:
        wait_until(lambda: "a.png" in place.on_board(), daemon.told)
        assert place.json("once")["mirrors"][0]["good"]
        refused = place("find", "lighthouse")
        daemon.process.terminate()
        assert daemon.ends() == 0
    assert refused.exit_code == 78
    assert "the settings want no index" in refused.stderr
    assert not (tmp_path / "state" / "index.db").exists()
