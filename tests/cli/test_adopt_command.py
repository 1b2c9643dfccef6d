"""adopt: what it says, what it asks, and that it works beside a daemon and without one."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from boardsync.formats import JPEG, PNG
from cli.command_kit import call, on_terminal
from cli.place_kit import Place, picture, put
from picture_samples import as_invokeai_stores, sample
from servers.fake_invokeai import FakeInvokeAI


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.fixture
def filled(place: Place) -> Place:
    """Three files, of which two are on the board under other names, put there by hand."""
    for seed in (1, 2, 3):
        place.picture(f"{seed}.png", seed=seed)
    place.board_picture("a.png", seed=1)
    place.board_picture("b.png", seed=2)
    return place


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI().in_thread() as fake:
        yield fake


def test_it_tells_the_cost_and_links_what_is_equal(filled: Place) -> None:
    result = filled("adopt", "--yes")

    assert result.exit_code == 0, result.output
    assert "m: 3 files without an item; 2 items on the board without a mark" in result.stderr
    assert "2 downloads, about" in result.stderr
    assert result.stdout.split()[-7:] == ["m", "2", "2", "0", "0", "0", "0"]
    [once] = filled.json("once")["mirrors"]
    assert (once["uploaded"], once["downloaded"], once["synced"]) == (1, 0, 3)
    assert sorted(filled.on_board()) == ["3.png", "a.png", "b.png"]


def test_json_holds_the_cost_and_the_result(filled: Place) -> None:
    told = filled.json("adopt", "m", "--yes")

    assert told["survey"][0]["downloads"] == 2
    assert (told["mirrors"][0]["linked"], told["mirrors"][0]["doubles"]) == (2, [])
    [run] = filled.json("history")["runs"]
    assert (run["cause"], run["linked"]) == ("adopt", 2)


def test_it_asks_on_a_terminal_and_no_is_no(filled: Place) -> None:
    asked = on_terminal(("-c", str(filled.config), "adopt"), "n")
    assert asked.returncode == 1
    assert "Fetch these items and link what is equal?" in asked.stderr
    assert "Nothing was linked." in asked.stderr
    assert filled.json("history") == {"runs": []}

    agreed = on_terminal(("-c", str(filled.config), "adopt"), "y")
    assert agreed.returncode == 0, agreed.stderr
    assert filled.json("history")["runs"][0]["linked"] == 2


def test_without_a_terminal_it_wants_a_yes(filled: Place) -> None:
    result = filled("adopt")
    assert result.exit_code == 2
    assert "give --yes" in result.stderr
    assert not filled.state.exists()


def test_where_nothing_can_be_the_same_it_asks_nothing(place: Place) -> None:
    place.picture("1.png")
    (place.boards / "Board").mkdir()

    told = place.json("adopt", "--yes")

    assert told["mirrors"] == []
    assert "nothing to fetch" in place("adopt", "--yes").stderr


def test_a_mirror_that_is_not_there_is_named(filled: Place) -> None:
    for arguments in (("--yes", "other"), ("other",)):
        result = filled("adopt", *arguments)
        assert result.exit_code == 78
        assert "no mirror is called 'other'; there are: m" in result.stderr


def test_a_double_is_told_by_name_and_left_there(filled: Place) -> None:
    put(filled.boards / "Board", "c.png", picture(2))
    result = filled("adopt", "--yes")
    assert result.exit_code == 0
    assert "shows 2.png once more; left alone" in result.stderr
    assert sorted(filled.on_board()) == ["a.png", "b.png", "c.png"]


def test_it_works_beside_a_running_daemon(place: Place) -> None:
    # Nothing is pulled, and files below `outputs` are not pushed: the daemon leaves both alone.
    place.configure(mirror="pull: {since: 2100-01-01}")
    place.board_picture("x.png", seed=1)
    with place.daemon() as daemon:
        place.picture("outputs/mine.png", seed=1)
        told = place.json("adopt", "--yes")
        assert told["mirrors"][0]["linked"] == 1, daemon.told()
        result = place("adopt", "--yes", "other")
        assert result.exit_code == 78
        assert "no mirror is called 'other'" in result.stderr
    [once] = place.json("once")["mirrors"]
    assert (once["uploaded"], once["downloaded"], once["synced"]) == (0, 0, 1)


def test_a_board_on_invokeai_that_was_filled_by_hand_is_adopted(
    place: Place, fake: FakeInvokeAI
) -> None:
    on_invokeai(place, fake)
    board = fake.store.add_board("Board")
    contents = {
        "a.png": sample(PNG, "RGB", (24, 16), seed=1),
        "b.jpg": sample(JPEG, "RGB", (24, 16), seed=2, orientation=8),
        "c.png": sample(PNG, "P", (24, 16), seed=3, transparency=5),
        "d.png": sample(PNG, "RGBA", (24, 16), seed=4),
    }
    for name, content in contents.items():
        place.picture(name, content=content)
        stored = as_invokeai_stores(content)
        assert Image.open(BytesIO(stored)).size == (24, 16)
        fake.store.add_image(stored, board.board_id, category="user")

    told = place.json("adopt", "--yes")

    [adopted] = told["mirrors"]
    assert (adopted["linked"], adopted["sent_plain"], adopted["unequal"]) == (4, 2, 0)
    [once] = place.json("once")["mirrors"]
    assert (once["uploaded"], once["downloaded"], once["synced"]) == (0, 0, 4)
    assert fake.requests["upload"] == 0


def on_invokeai(place: Place, fake: FakeInvokeAI) -> None:
    """Let the mirror's board lie on a fake InvokeAI."""
    text = place.config.read_text().replace("kind: directory", "kind: invokeai")
    place.config.write_text(text.replace(f"path: {place.boards}", f"url: {fake.url}"))


def test_check_tells_of_a_board_that_somebody_else_filled_until_something_is_linked(
    place: Place, fake: FakeInvokeAI
) -> None:
    on_invokeai(place, fake)
    board = fake.store.add_board("Board")
    fake.store.add_image(place.picture("1.png"), board.board_id, category="user")
    found = place.json("check")["findings"]
    [remark] = [one for one in found if one["subject"] == "mirror m: board Board"]
    assert remark["good"]
    assert (
        "pictures are on it (1) that nothing is linked to yet; `boardsync adopt m`"
        in remark["text"]
    )

    assert place.json("adopt", "--yes")["mirrors"][0]["linked"] == 1

    subjects = [one["subject"] for one in place.json("check")["findings"]]
    assert "mirror m: board Board" not in subjects


def test_check_says_nothing_of_a_board_that_boardsync_filled_itself(
    place: Place, fake: FakeInvokeAI
) -> None:
    on_invokeai(place, fake)
    place.picture("1.png")
    place.json("once")
    for path in place.state.parent.iterdir():
        path.unlink()
    subjects = [one["subject"] for one in place.json("check")["findings"]]
    assert "mirror m: board Board" not in subjects


def test_init_points_to_it_when_the_board_holds_pictures(place: Place, fake: FakeInvokeAI) -> None:
    board = fake.store.add_board("Board")
    fake.store.add_image(picture(1), board.board_id, category="user")
    target = place.base / "new.yaml"
    answers = ("--folder", str(place.folder), "--server", fake.url, "--direction", "both")
    result = call("init", *answers, "--board", "Board", "-o", str(target))
    assert result.exit_code == 0, result.output
    assert "'Board' holds 1 picture already: boardsync -c" in result.stdout
    assert "adopt, before run," in result.stdout
