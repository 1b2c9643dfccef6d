"""Deleting images for good."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.command_kit import Cli, on_terminal
from servers.fake_invokeai import DROPPED, FakeInvokeAI, status
from servers.invokeai_kit import png


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI(reencode=False).in_thread() as fake:
        yield fake


@pytest.fixture
def cli(fake: FakeInvokeAI) -> Cli:
    return Cli(fake.url)


def test_what_was_there_and_what_was_not_are_told_apart_and_both_are_gone(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    image, stem = fake.store.add_image(png()), fake.store.add_image(png())
    told = cli.json("images", "delete", image.name, "zebra", stem.name[:-4], "--yes")
    assert [result["outcome"] for result in told["results"]] == ["deleted", "absent", "deleted"]
    assert told["totals"] == {"deleted": 2, "absent": 1, "unreachable": 0, "refused": 0}
    assert fake.store.images == {}


def test_the_names_and_their_count_are_shown_first(fake: FakeInvokeAI, cli: Cli) -> None:
    images = [fake.store.add_image(png()).name for _ in range(2)]
    result = cli("images", "delete", *images, "--yes")
    assert "To be deleted for good: 2 images" in result.stderr
    assert all(name in result.stderr for name in images)
    assert result.stdout == "2 deleted\n"


def test_without_a_terminal_and_without_yes_nothing_is_even_asked(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    image = fake.store.add_image(png())
    assert cli("images", "delete", image.name).exit_code == 2
    assert not fake.requests


@pytest.mark.parametrize(("answer", "left"), [("n", 1), ("y", 0)])
def test_a_person_decides(answer: str, left: int, fake: FakeInvokeAI) -> None:
    image = fake.store.add_image(png())
    result = on_terminal(["images", "delete", image.name, "--url", fake.url], answer)
    assert image.name in result.stderr
    assert (result.returncode, len(fake.store.images)) == (left, left)


def test_a_beginning_deletes_nothing_and_does_not_pass_for_gone(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    image = fake.store.add_image(png())
    told = cli.json("images", "delete", image.name[:12], "--yes", code=1)
    assert told["results"][0]["outcome"] == "refused"
    assert "only the beginning of 1 name" in told["results"][0]["reason"]
    assert image.name in fake.store.images


def test_an_image_of_another_board_is_left_alone(fake: FakeInvokeAI, cli: Cli) -> None:
    art = fake.store.add_board("Art")
    image = fake.store.add_image(png(), art.board_id)
    result = cli("images", "delete", image.name, "--board", "none", "--yes")
    assert result.exit_code == 1
    assert "refused and still there" in result.stdout
    assert image.name in fake.store.images


def test_an_image_that_the_server_keeps_is_still_there(fake: FakeInvokeAI, cli: Cli) -> None:
    image = fake.store.add_image(png())
    fake.inject("delete_images", status(403, "Not authorized"))
    told = cli.json("images", "delete", image.name, "--yes", code=1)
    assert told["results"][0]["outcome"] == "refused"
    assert image.name in fake.store.images


def test_a_server_that_went_away_is_not_taken_for_success(fake: FakeInvokeAI, cli: Cli) -> None:
    image = fake.store.add_image(png())
    fake.inject("delete_images", DROPPED)
    told = cli.json("images", "delete", image.name, "--yes", code=1)
    assert told["results"][0]["outcome"] == "unreachable"


def test_a_server_that_is_away_from_the_start_is_told_for_each_name() -> None:
    away = Cli("http://127.0.0.1:9")
    told = away.json("images", "delete", "one", "two", "--yes", code=1)
    assert [result["outcome"] for result in told["results"]] == ["unreachable"] * 2


def test_a_whole_board_is_deleted_in_batches_and_nothing_else_is(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    board = fake.store.add_board("Art")
    content = png()
    for number in range(501):
        fake.store.add_image(content, board.board_id, intermediate=number == 0)
    kept = fake.store.add_image(content)
    result = cli("images", "delete", "--board", "Art", "--all", "--yes")
    assert result.stdout == "501 deleted\n"
    assert result.stderr.splitlines()[-2:] == ["500/501 deleted", "501/501 deleted"]
    assert fake.requests["delete_images"] == 2
    assert list(fake.store.images) == [kept.name]
    assert board.board_id in fake.store.boards


def test_all_uncategorized_images_are_deleted_by_their_names(fake: FakeInvokeAI, cli: Cli) -> None:
    board = fake.store.add_board("Art")
    kept = fake.store.add_image(png(), board.board_id)
    fake.store.add_image(png())
    assert cli("images", "delete", "--board", "none", "--all", "--yes").exit_code == 0
    assert list(fake.store.images) == [kept.name]
    assert fake.requests["unknown"] == 0


def test_after_a_batch_that_got_no_answer_the_rest_is_not_tried(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    content = png()
    for _ in range(501):
        fake.store.add_image(content)
    fake.inject("delete_images", DROPPED)
    told = cli.json("images", "delete", "--board", "none", "--all", "--yes", code=1)
    assert told["totals"]["unreachable"] == 501
    assert fake.requests["delete_images"] == 1


def test_an_empty_board_has_nothing_to_ask_about(fake: FakeInvokeAI, cli: Cli) -> None:
    fake.store.add_board("Art")
    result = cli("images", "delete", "--board", "Art", "--all", "--yes")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "0 deleted\n", "")


@pytest.mark.parametrize(
    "words", [("--all",), ("--all", "--board", "Art", "a.png"), ("--board", "Art")]
)
def test_names_and_a_whole_board_are_not_mixed_up(
    words: tuple[str, ...], fake: FakeInvokeAI, cli: Cli
) -> None:
    assert cli("images", "delete", *words, "--yes").exit_code == 2
    assert not fake.requests
