"""Moving images and starring them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from cli.command_kit import Cli
from servers.fake_invokeai import DROPPED, FakeInvokeAI
from servers.invokeai_kit import png


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI().in_thread() as fake:
        yield fake


@pytest.fixture
def cli(fake: FakeInvokeAI) -> Cli:
    return Cli(fake.url)


def test_images_are_starred_and_unstarred_by_beginnings_too(fake: FakeInvokeAI, cli: Cli) -> None:
    first, second = fake.store.add_image(png()), fake.store.add_image(png())
    told = cli.json("images", "star", first.name[:12], second.name)
    assert [result["name"] for result in told["results"]] == [first.name, second.name]
    assert told["totals"] == {"starred": 2, "absent": 0, "unreachable": 0, "refused": 0}
    assert [image.starred for image in (first, second)] == [True, True]
    assert cli("images", "unstar", first.name).stdout == "1 unstarred\n"
    assert [image.starred for image in (first, second)] == [False, True]


def test_one_image_that_is_missing_does_not_stop_the_others(fake: FakeInvokeAI, cli: Cli) -> None:
    image = fake.store.add_image(png())
    result = cli("images", "star", "zebra", image.name)
    assert result.exit_code == 1
    assert image.starred
    assert "zebra: was not there" in result.stdout
    assert "1 starred, 1 was not there" in result.stdout


def test_images_move_to_a_board_and_off_it(fake: FakeInvokeAI, cli: Cli) -> None:
    art, other = fake.store.add_board("Art"), fake.store.add_board("Other")
    image = fake.store.add_image(png(), art.board_id)
    assert cli("images", "move", image.name, "--to", "Other").exit_code == 0
    assert image.board_id == other.board_id
    assert cli("images", "move", image.name, "--to", "none").exit_code == 0
    assert image.board_id is None
    fake.store.put(image, art.board_id)
    assert cli("images", "remove", image.name).stdout == "1 removed\n"
    assert image.board_id is None


def test_a_board_to_move_to_has_to_be_there(fake: FakeInvokeAI, cli: Cli) -> None:
    image = fake.store.add_image(png())
    result = cli("images", "move", image.name, "--to", "Art")
    assert result.exit_code == 1
    assert "no board named 'Art'" in result.stderr
    assert fake.requests["move_many"] == 0


def test_an_image_of_another_board_is_not_moved(fake: FakeInvokeAI, cli: Cli) -> None:
    art, other = fake.store.add_board("Art"), fake.store.add_board("Other")
    image = fake.store.add_image(png(), art.board_id)
    told = cli.json("images", "move", image.name, "--board", "Other", "--to", "none", code=1)
    [result] = told["results"]
    assert result["outcome"] == "refused"
    assert f"it is in board {art.board_id}" in result["reason"]
    assert image.board_id == art.board_id
    assert other.names == {}


def test_two_texts_for_one_image_count_once(fake: FakeInvokeAI, cli: Cli) -> None:
    image = fake.store.add_image(png())
    told = cli.json("images", "star", image.name, image.name[:10])
    assert told["totals"]["starred"] == 1
    assert fake.requests["star"] == 1


def test_an_ambiguous_beginning_is_one_failure_with_its_candidates(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    images = [fake.store.add_image(png()) for _ in range(17)]
    digits = [image.name[0] for image in images]
    [digit, *_] = [digit for digit in digits if digits.count(digit) > 1]
    alike = [image for image in images if image.name[0] == digit]
    told = cli.json("images", "star", digit, code=1)
    [result] = told["results"]
    assert all(image.name in result["reason"] for image in alike)
    assert not any(image.starred for image in images)


def test_a_change_whose_answer_is_lost_is_not_claimed(fake: FakeInvokeAI, cli: Cli) -> None:
    image = fake.store.add_image(png())
    fake.inject("star", DROPPED)
    told = cli.json("images", "star", image.name, code=1)
    assert told["results"][0]["outcome"] == "unreachable"
    assert not image.starred
