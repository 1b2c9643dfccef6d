"""The commands `boards` and `images` against a real server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from boardsync.formats import JPEG, PNG
from cli.command_kit import Cli
from picture_samples import SMALL, opened, sample
from real.invokeai_server import RealInvokeAI
from servers.fake_http import HttpServer, Request, Response, in_thread

pytestmark = pytest.mark.real


@pytest.fixture
def cli(invokeai: RealInvokeAI) -> Cli:
    return Cli(invokeai.url)


@pytest.fixture
def board(cli: Cli) -> Iterator[str]:
    """The id of a new board, which goes away with its images afterwards."""
    made = cli.json("boards", "create", "Command line")["board"]["board_id"]
    yield made
    there = {board["board_id"] for board in cli.json("boards", "list")["boards"]}
    if made in there:
        cli.json("boards", "delete", made, "--with-images", "--yes")


def file(folder: Path, name: str, content: bytes) -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


def uploaded(cli: Cli, board: str, *paths: str) -> list[str]:
    told = cli.json("images", "upload", *paths, "--board", board)
    return [result["image"]["name"] for result in told["results"]]


def test_a_board_lives_and_ends(cli: Cli, board: str) -> None:
    assert cli.json("boards", "rename", board, "Shown")["name"] == "Shown"
    assert cli.json("boards", "archive", board)["archived"] is True
    assert cli.json("boards", "show", "Shown")["board_id"] == board
    assert cli.json("boards", "unarchive", "Shown")["archived"] is False
    assert cli.json("boards", "visibility", "Shown", "shared")["visibility"] == "shared"
    listed = cli.json("boards", "list", "--uncategorized")["boards"]
    assert {"none", board} <= {found["board_id"] for found in listed}
    assert cli.json("boards", "delete", "Shown", "--yes")["deleted"] is True
    assert cli("boards", "show", "Shown").exit_code == 1


def test_two_boards_of_one_name_go_by_their_ids(cli: Cli, board: str) -> None:
    twin = cli.json("boards", "create", "Command line")["board"]["board_id"]
    result = cli("boards", "show", "Command line")
    assert result.exit_code == 1
    assert board in result.stderr
    assert twin in result.stderr
    cli.json("boards", "delete", twin, "--yes")


def test_files_go_up_and_come_down_whole(cli: Cli, board: str, tmp_path: Path) -> None:
    plain = file(tmp_path, "plain.png", sample(PNG))
    tilted = file(tmp_path, "tilted.jpg", sample(JPEG, orientation=6))
    names = uploaded(cli, board, plain, tilted)
    goal = tmp_path / "down"
    words = ("images", "download", "--board", board, "--all", "--to", str(goal))
    assert cli.json(*words)["totals"]["saved"] == 2
    assert cli.json(*words)["totals"]["skipped"] == 2
    first, second = (opened((goal / name).read_bytes()) for name in names)
    assert first.tobytes() == opened(sample(PNG)).tobytes()
    assert second.size == (SMALL[1], SMALL[0])
    thumbnail = ("images", "download", names[0], "--thumbnail", "--to", str(goal))
    assert cli(*thumbnail).exit_code == 0
    assert (goal / f"{names[0].removesuffix('.png')}.webp").exists()


def test_a_folder_and_a_url_go_up_and_the_url_keeps_its_name(
    cli: Cli, board: str, tmp_path: Path
) -> None:
    (tmp_path / "deep").mkdir()
    file(tmp_path / "deep", "a.png", sample(PNG, seed=1))
    file(tmp_path, "b.jpg", sample(JPEG, seed=2))
    with in_thread(HttpServer(gallery)) as server:
        address = f"http://127.0.0.1:{server.port}/caf%C3%A9.png?key=1"
        words = ("images", "upload", str(tmp_path), address, "--board", board)
        told = cli.json(*words, "--allow-private-addresses")["results"]
    assert [result["outcome"] for result in told] == ["uploaded"] * 3
    names = [result["image"]["name"] for result in told]
    kept = {"seed": 7, "boardsync_name": "caf\N{LATIN SMALL LETTER E WITH ACUTE}.png"}
    assert cli.json("images", "metadata", names[2]) == kept
    found = cli.json("images", "list", "--board", board, "--search", "boardsync_name")["images"]
    assert [image["name"] for image in found] == [names[2]]


async def gallery(request: Request) -> Response:
    """Answer every question with the same picture, which embeds metadata of its own."""
    return Response(200, sample(PNG, text=(("invokeai_metadata", '{"seed": 7}'),)), "image/png")


def test_an_image_is_found_described_and_starred(cli: Cli, board: str, tmp_path: Path) -> None:
    path = file(tmp_path, "a.png", sample(PNG))
    options = ("--board", board, "--metadata", '{"note": "harbour"}', "--session", "s1")
    [result] = cli.json("images", "upload", path, *options)["results"]
    name = result["image"]["name"]
    assert cli.json("images", "metadata", name) == {"note": "harbour"}
    assert cli.json("images", "workflow", name) == {}
    assert cli.json("images", "show", name[:13], "--board", board)["category"] == "user"
    assert cli.json("images", "star", name)["totals"]["starred"] == 1
    assert cli.json("images", "records", name)["images"][0]["starred"] is True
    assert cli.json("images", "unstar", name)["totals"]["unstarred"] == 1
    found = cli.json("images", "list", "--board", board, "--search", "harbour")
    assert [image["name"] for image in found["images"]] == [name]
    assert cli.json("images", "count", "--board", board) == {"count": 1}


def test_an_output_has_a_workflow_or_a_graph(invokeai: RealInvokeAI, cli: Cli, board: str) -> None:
    name = invokeai.generate(board)
    graph = cli.json("images", "workflow", name)["graph"]
    assert "nodes" in json.dumps(graph)


def test_images_move_and_are_deleted_one_by_one(cli: Cli, board: str, tmp_path: Path) -> None:
    paths = [file(tmp_path, f"{n}.png", sample(PNG, seed=n)) for n in range(3)]
    kept, moved, deleted = uploaded(cli, board, *paths)
    assert cli.json("images", "remove", moved, "--board", board)["totals"]["removed"] == 1
    elsewhere = cli.json("images", "delete", moved, "--board", board, "--yes", code=1)
    assert elsewhere["results"][0]["outcome"] == "refused"
    assert cli.json("images", "move", moved, "--to", board)["totals"]["moved"] == 1
    told = cli.json("images", "delete", deleted, "zebra", "--board", board, "--yes")
    assert [result["outcome"] for result in told["results"]] == ["deleted", "absent"]
    short = cli.json("images", "delete", kept[:13], "--yes", code=1)
    assert short["results"][0]["outcome"] == "refused"
    listed = cli.json("images", "list", "--board", board)["images"]
    assert [image["name"] for image in listed] == [moved, kept]


def test_a_board_is_emptied_in_batches_and_stays(cli: Cli, board: str, tmp_path: Path) -> None:
    paths = [file(tmp_path, f"{n}.png", sample(PNG, seed=n)) for n in range(3)]
    uploaded(cli, board, *paths)
    told = cli.json("images", "delete", "--board", board, "--all", "--yes")
    assert told["totals"]["deleted"] == 3
    assert cli.json("images", "count", "--board", board) == {"count": 0}
    assert cli.json("boards", "show", board)["name"] == "Command line"


def test_a_board_goes_with_its_images_or_without_them(cli: Cli, board: str, tmp_path: Path) -> None:
    other = cli.json("boards", "create", "Other")["board"]["board_id"]
    [kept] = uploaded(cli, other, file(tmp_path, "a.png", sample(PNG, seed=1)))
    assert cli.json("boards", "delete", other, "--yes")["released"] == [kept]
    assert cli.json("images", "show", kept, "--board", "none")["name"] == kept
    [gone] = uploaded(cli, board, file(tmp_path, "b.png", sample(PNG, seed=2)))
    told = cli.json("boards", "delete", board, "--with-images", "--yes")
    assert told["results"] == [{"name": gone, "outcome": "deleted"}]
    assert cli("images", "show", gone).exit_code == 1
    cli.json("images", "delete", kept, "--yes")
