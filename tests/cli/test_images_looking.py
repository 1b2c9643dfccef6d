"""Listing, describing and counting images."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from cli.command_kit import Cli
from servers.fake_invokeai import FakeInvokeAI
from servers.fake_invokeai_store import FakeImage
from servers.invokeai_kit import png


@pytest.fixture
def fake() -> Iterator[FakeInvokeAI]:
    with FakeInvokeAI(reencode=False).in_thread() as fake:
        yield fake


@pytest.fixture
def cli(fake: FakeInvokeAI) -> Cli:
    return Cli(fake.url)


def named(fake: FakeInvokeAI, name: str, board_id: str | None = None) -> FakeImage:
    """Store an image under a chosen name."""
    image = fake.store.add_image(png(), board_id)
    del fake.store.images[image.name]
    if board_id is not None:
        fake.store.boards[board_id].names.pop(image.name)
        fake.store.boards[board_id].names[name] = None
    image.name = name
    fake.store.images[name] = image
    return image


def names(told: dict[str, list[dict[str, str]]]) -> list[str]:
    return [image["name"] for image in told["images"]]


def test_images_are_listed_newest_first_and_starred_ones_stay_in_their_place(
    fake: FakeInvokeAI, cli: Cli
) -> None:
    old, middle, new = (fake.store.add_image(png()).name for _ in range(3))
    fake.store.images[old].starred = True
    assert names(cli.json("images", "list")) == [new, middle, old]
    assert names(cli.json("images", "list", "--starred-first")) == [old, new, middle]


def test_a_list_holds_one_board_or_the_uncategorized_ones(fake: FakeInvokeAI, cli: Cli) -> None:
    board = fake.store.add_board("Art")
    on_board, loose = fake.store.add_image(png(), board.board_id), fake.store.add_image(png())
    assert names(cli.json("images", "list", "--board", "Art")) == [on_board.name]
    assert names(cli.json("images", "list", "--board", "none")) == [loose.name]
    missing = cli("images", "list", "--board", "Arts")
    assert missing.exit_code == 1
    assert "the nearest names are 'Art'" in missing.stderr


def test_a_list_is_cut_at_a_hundred_unless_all_are_wanted(fake: FakeInvokeAI, cli: Cli) -> None:
    newest_first = [fake.store.add_image(png()).name for _ in range(103)][::-1]
    told = cli.json("images", "list")
    assert (names(told), told["total"]) == (newest_first[:100], 103)
    assert names(cli.json("images", "list", "--all")) == newest_first
    assert names(cli.json("images", "list", "--offset", "101")) == newest_first[101:]
    assert names(cli.json("images", "list", "--limit", "2", "--offset", "1")) == newest_first[1:3]
    assert "100 of 103 images" in cli("images", "list").stderr


def test_lists_and_counts_can_be_narrowed(fake: FakeInvokeAI, cli: Cli) -> None:
    mask = fake.store.add_image(png(), category="mask")
    note = fake.store.add_image(png(), metadata='{"note": "harbour"}')
    fake.store.add_image(png(), intermediate=True)
    by_category = ("--category", "mask", "--category", "control")
    assert names(cli.json("images", "list", *by_category)) == [mask.name]
    assert names(cli.json("images", "list", "--search", "harbour")) == [note.name]
    assert cli.json("images", "count") == {"count": 2}
    assert cli("images", "count", *by_category).stdout == "1\n"
    assert cli.json("images", "count", "--search", "harbour", "--board", "none") == {"count": 1}


def test_an_image_goes_by_its_name_its_stem_and_its_beginning(fake: FakeInvokeAI, cli: Cli) -> None:
    named(fake, "abc-1.png")
    named(fake, "abd-2.png")
    for text in ("abc-1.png", "abc-1", "abc-1.jpg", "abc"):
        assert cli.json("images", "show", text)["name"] == "abc-1.png"


def test_a_beginning_of_several_names_is_answered_with_them(fake: FakeInvokeAI, cli: Cli) -> None:
    for name in ("abc-1.png", "abd-2.png", "b.png"):
        named(fake, name)
    result = cli("images", "show", "ab")
    assert result.exit_code == 1
    assert "abc-1.png" in result.stderr
    assert "abd-2.png" in result.stderr
    assert "b.png\n" not in result.stderr.splitlines()


def test_an_image_of_another_board_is_an_error(fake: FakeInvokeAI, cli: Cli) -> None:
    art, other = fake.store.add_board("Art"), fake.store.add_board("Other")
    image = fake.store.add_image(png(), art.board_id)
    assert cli.json("images", "show", image.name, "--board", "Art")["board_id"] == art.board_id
    for board in ("Other", "none"):
        result = cli("images", "show", image.name, "--board", board)
        assert result.exit_code == 1
        assert f"it is in board {art.board_id}" in result.stderr
    assert other.names == {}


def test_a_board_narrows_a_beginning_to_its_own_names(fake: FakeInvokeAI, cli: Cli) -> None:
    board = fake.store.add_board("Art")
    named(fake, "abc-1.png", board.board_id)
    named(fake, "abd-2.png")
    assert cli.json("images", "show", "ab", "--board", "Art")["name"] == "abc-1.png"


def test_metadata_is_printed_as_the_server_has_it(fake: FakeInvokeAI, cli: Cli) -> None:
    told = fake.store.add_image(png(), metadata='{"prompt": "Möwe", "seed": 7}').name
    silent = fake.store.add_image(png()).name
    assert cli.json("images", "metadata", told) == {"prompt": "Möwe", "seed": 7}
    assert json.loads(cli("images", "metadata", told).stdout) == {"prompt": "Möwe", "seed": 7}
    assert cli.json("images", "metadata", silent) is None
    assert "has no metadata" in cli("images", "metadata", silent).stderr


def test_a_workflow_is_printed_as_the_document_it_is(fake: FakeInvokeAI, cli: Cli) -> None:
    texts = {"invokeai_workflow": '{"nodes": []}', "invokeai_graph": "no JSON"}
    made = fake.store.add_image(png(texts=texts)).name
    uploaded = fake.store.add_image(png()).name
    assert cli.json("images", "workflow", made) == {"workflow": {"nodes": []}, "graph": "no JSON"}
    assert cli.json("images", "workflow", uploaded) == {}
    assert "has no workflow" in cli("images", "workflow", uploaded).stderr


def test_records_come_many_at_once_in_the_order_asked_for(fake: FakeInvokeAI, cli: Cli) -> None:
    stored = [fake.store.add_image(png()).name for _ in range(501)]
    told = cli.json("images", "records", "-", input="\n".join(stored))
    assert names(told) == stored
    assert fake.requests["records"] == 2


def test_missing_records_are_told(fake: FakeInvokeAI, cli: Cli) -> None:
    name = fake.store.add_image(png()).name
    stem = name.removesuffix(".png")
    told = cli.json("images", "records", "gone", stem, code=1)
    assert names(told) == [name]
    assert told["missing"] == ["gone"]
    result = cli("images", "records", "gone")
    assert (result.exit_code, "'gone'" in result.stderr) == (1, True)


def test_no_names_at_all_are_a_mistake(fake: FakeInvokeAI, cli: Cli) -> None:
    assert cli("images", "records").exit_code == 2
    assert cli("images", "star", "-", input="\n").exit_code == 2
    assert not fake.requests


def test_the_terminal_obeys_no_name_of_an_image(fake: FakeInvokeAI, cli: Cli) -> None:
    named(fake, "\x1b[2J.png")
    assert "\x1b" not in cli("images", "list").stdout
    assert "\x1b" not in cli("images", "metadata", "\x1b[2J.png").stderr
