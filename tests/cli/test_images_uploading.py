"""Sending files and standard input."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.formats import GIF, JPEG, PNG
from cli.command_kit import Cli, on_terminal
from picture_samples import SMALL, opened, sample
from servers.fake_invokeai import LOST, FakeInvokeAI, status
from servers.invokeai_kit import png


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI().in_thread() as fake:
        yield fake


@pytest.fixture
def cli(fake: FakeInvokeAI) -> Cli:
    return Cli(fake.url)


def file(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def test_a_file_becomes_an_asset_without_a_board_unless_said_otherwise(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    path = file(tmp_path, "a.png", sample(PNG))
    [result] = cli.json("images", "upload", path)["results"]
    [image] = fake.store.images.values()
    assert (result["path"], result["outcome"], result["recipe"]) == (path, "uploaded", "original")
    assert (result["image"]["name"], result["image"]["board_id"]) == (image.name, "none")
    assert (image.category, image.intermediate, image.session_id) == ("user", False, None)
    assert image.board_id is None


def test_board_category_session_and_metadata_go_along(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    board = fake.store.add_board("Art")
    embedded = sample(PNG, text=(("invokeai_metadata", '{"seed": 7, "note": "old"}'),))
    path = file(tmp_path, "a.png", embedded)
    options = ["--category", "mask", "--intermediate", "--session", "s1", "--board", "Art"]
    cli.json("images", "upload", path, *options, "--metadata", '{"note": "new"}')
    [image] = fake.store.images.values()
    assert (image.board_id, image.category) == (board.board_id, "mask")
    assert (image.intermediate, image.session_id) == (True, "s1")
    assert json.loads(image.metadata or "") == {"seed": 7, "note": "new"}


def test_standard_input_is_sent_like_a_file(fake: FakeInvokeAI, cli: Cli, tmp_path: Path) -> None:
    path = file(tmp_path, "a.png", sample(PNG, seed=1))
    told = cli.json("images", "upload", path, "-", input=sample(PNG, seed=2))
    assert [result["path"] for result in told["results"]] == [path, "-"]
    assert told["totals"]["uploaded"] == len(fake.store.images) == 2


def test_standard_input_can_be_sent_once(fake: FakeInvokeAI, cli: Cli) -> None:
    assert cli("images", "upload", "-", "-", input=sample(PNG)).exit_code == 2
    assert not fake.requests


def test_a_picture_that_the_server_would_spoil_is_prepared_as_in_a_mirror(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    path = file(tmp_path, "tilted.jpg", sample(JPEG, orientation=6))
    [result] = cli.json("images", "upload", path)["results"]
    assert "upright" in result["recipe"]
    [image] = fake.store.images.values()
    assert opened(image.content).size == (SMALL[1], SMALL[0])


def test_pictures_are_prepared_as_the_options_say(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    path = file(tmp_path, "large.png", sample(PNG, size=(60, 40)))
    options = ["--fit", "30x30", "--convert", "jpeg", "--quality", "80", "--strip-private"]
    [result] = cli.json("images", "upload", path, *options)["results"]
    assert result["recipe"] == "decoded+fit30x30;jpeg80"
    assert opened(next(iter(fake.store.images.values())).content).size == (30, 20)
    told = cli.json("images", "upload", path, "--refuse-above", "50", code=1)
    assert "60x40 pixels" in told["results"][0]["reason"]
    assert (tmp_path / "large.png").read_bytes() == sample(PNG, size=(60, 40))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--fit", "large"], "--fit: 'large' is not a size in pixels; expected"),
        (["--convert", "jpg"], "--convert: found 'jpg'; expected one of png, jpeg, webp"),
        (["--convert", "png", "--quality", "80"], "--quality: no JPEG or WebP is made"),
        (["--format", "pgn"], "did you mean 'png'?"),
        (["--background", "white"], "--background: nothing is converted to JPEG"),
    ],
)
def test_options_that_cannot_be_are_refused_before_anything_is_sent(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path, options: list[str], words: str
) -> None:
    result = cli("images", "upload", file(tmp_path, "a.png", sample(PNG)), *options)
    assert result.exit_code == 2
    assert words in " ".join(result.stderr.split())
    assert not fake.requests


def test_one_failure_never_stops_the_rest(fake: FakeInvokeAI, cli: Cli, tmp_path: Path) -> None:
    whole = sample(PNG)
    empty = tmp_path / "empty"
    empty.mkdir()
    paths = [
        file(tmp_path, "torn.png", whole[: len(whole) // 2]),
        file(tmp_path, "notes.txt", b"not a picture"),
        str(tmp_path / "missing.png"),
        str(empty),
        file(tmp_path, "good.gif", sample(GIF, "P")),
    ]
    told = cli.json("images", "upload", *paths, code=1)
    outcomes = [result["outcome"] for result in told["results"]]
    assert outcomes == ["refused", "refused", "refused", "refused", "uploaded"]
    reasons = " / ".join(result.get("reason", "") for result in told["results"])
    for words in ("cut short", "not a picture", "no such file", "no pictures in this folder"):
        assert words in reasons
    assert fake.requests["upload"] == len(fake.store.images) == 1


def test_people_get_one_line_for_each_path(fake: FakeInvokeAI, cli: Cli, tmp_path: Path) -> None:
    good, bad = file(tmp_path, "good.png", sample(PNG)), str(tmp_path / "missing.png")
    result = cli("images", "upload", good, bad)
    [name] = fake.store.images
    assert result.stdout.splitlines() == [
        f"{good}: uploaded as {name}",
        f"{bad}: refused: there is no such file",
    ]


def test_the_server_lists_files_in_the_order_in_which_they_were_given(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    paths = [file(tmp_path, f"{n}.png", sample(PNG, seed=n)) for n in range(5)]
    sent = cli.json("images", "upload", *paths)["results"]
    listed = cli.json("images", "list")["images"]
    assert [image["name"] for image in listed] == [r["image"]["name"] for r in sent][::-1]


def test_a_lost_answer_is_neither_success_nor_failure(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    fake.inject("upload", LOST)
    paths = [file(tmp_path, f"{n}.png", sample(PNG, seed=n)) for n in range(2)]
    told = cli.json("images", "upload", *paths, code=1)
    assert [result["outcome"] for result in told["results"]] == ["unknown", "uploaded"]
    assert fake.requests["upload"] == 2


def test_a_busy_server_is_told_as_worth_another_try(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    fake.inject("upload", status(409, "Image storage maintenance is active"))
    [result] = cli.json("images", "upload", file(tmp_path, "a.png", png()), code=1)["results"]
    assert result["outcome"] == "failed"
    assert "maintenance" in result["reason"]


def test_nothing_is_sent_to_a_board_that_is_not_there(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    result = cli("images", "upload", file(tmp_path, "a.png", png()), "--board", "Art")
    assert result.exit_code == 1
    assert "no board named 'Art'" in result.stderr
    assert fake.requests["upload"] == 0


def test_a_board_that_vanishes_fails_each_file_by_itself(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    board = fake.store.add_board("Art")
    fake.inject("upload", status(404, "Board not found"))
    fake.inject("board", status(404, "Board not found"))
    paths = [file(tmp_path, f"{n}.png", sample(PNG, seed=n)) for n in range(2)]
    told = cli.json("images", "upload", *paths, "--board", board.board_id, code=1)
    assert [result["outcome"] for result in told["results"]] == ["failed", "uploaded"]


@pytest.mark.parametrize("metadata", ["{", "[1]", '"text"'])
def test_metadata_has_to_be_a_json_object(
    metadata: str, fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    path = file(tmp_path, "a.png", png())
    assert cli("images", "upload", path, "--metadata", metadata).exit_code == 2
    assert not fake.requests


def test_a_link_that_a_person_names_is_followed(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    link = tmp_path / "link.png"
    link.symlink_to(file(tmp_path, "a.png", png()))
    assert cli("images", "upload", str(link)).exit_code == 0


def test_a_path_that_is_no_utf8_is_told_all_the_same(
    fake: FakeInvokeAI, cli: Cli, tmp_path: Path
) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png")
    with open(path, "wb") as stream:
        stream.write(png())
    [result] = cli.json("images", "upload", path)["results"]
    assert result["outcome"] == "uploaded"
    assert result["path"].endswith("\\xff.png")
    assert "uploaded as" in cli("images", "upload", path).stdout


def test_files_are_sent_from_a_terminal_too(fake: FakeInvokeAI, tmp_path: Path) -> None:
    paths = [file(tmp_path, f"{n}.png", sample(PNG, seed=n)) for n in range(2)]
    result = on_terminal(["images", "upload", *paths, "--url", fake.url], "")
    assert result.returncode == 0, result.stderr
    assert len(fake.store.images) == 2
