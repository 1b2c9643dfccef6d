"""The main job on a real InvokeAI server, with real files and real processes."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageOps

from boardsync.formats import PNG
from picture_samples import SMALL, sample
from real.counting_proxy import counting
from real.mirror_kit import PROMPT, Setup, count, links_of, make_pictures, wait_for

pytestmark = pytest.mark.real


def test_two_hundred_pictures_arrive_once_upright_and_with_the_same_pixels(setup: Setup) -> None:
    paths = make_pictures(setup.folder, 200)

    result = setup.once()

    assert (result["uploaded"], result["synced"], result["refused"]) == (200, 200, 0)
    names = setup.names()
    assert len(names) == len(set(names)) == 200
    told = {entry["path"]: entry for entry in links_of(setup)}
    for path in paths:
        item = told[str(path.relative_to(setup.folder))]["item_id"]
        with Image.open(path) as opened:
            original = ImageOps.exif_transpose(opened).convert("RGBA")
        stored = setup.full(item).convert("RGBA")
        assert stored.size == original.size, path
        assert ImageChops.difference(stored, original).getbbox(alpha_only=False) is None, path


def test_what_the_server_holds_is_pulled_under_the_name_of_a_template_with_its_sidecar(
    setup: Setup,
) -> None:
    setup.once()  # makes the board
    given = setup.config.with_name("given.png")
    given.write_bytes(sample(PNG, text=(("invokeai_metadata", PROMPT % 42),)))
    to_board = ("images", "upload", str(given), "--category", "general", "--board")
    assert setup.run(*to_board, setup.board).returncode == 0
    pull = {"name": "{prompt:2}/{seed}-{size}", "sidecar": "json"}
    setup.write_config(setup.server.url, pull=pull)

    assert setup.once()["downloaded"] == 1

    width, height = SMALL
    path = setup.folder / "outputs" / "a-fox" / f"42-{width}x{height}.png"
    told = json.loads(path.with_name(f"{path.name}.json").read_bytes())
    assert told["prompt"]["value"] == "a fox in the snow"
    assert told["boardsync"]["item"] == setup.names()[0]
    assert setup.once()["downloaded"] == 0


def test_generation_data_survives_and_carries_our_mark_beside_it(setup: Setup) -> None:
    make_pictures(setup.folder, 5)
    setup.once()

    marked = [e for e in links_of(setup) if e["path"].endswith("p003.png")]
    metadata = setup.api(f"images/i/{marked[0]['item_id']}/metadata")

    assert metadata["positive_prompt"] == "a fox in the snow"
    assert metadata["boardsync"]["file"] == marked[0]["digest"]


def test_a_second_pass_makes_no_request_but_listings(setup: Setup) -> None:
    make_pictures(setup.folder, 10)
    setup.once()
    with counting(setup.server.port) as proxy:
        setup.write_config(proxy.url)
        setup.once()

    board = f"GET /api/v1/boards/{setup.board_id()}/image_names"
    assert proxy.requests
    assert {line.split("?")[0] for line in proxy.requests} == {board}


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_stopped_in_the_middle_and_started_again_gives_each_picture_once(
    setup: Setup, daemon: Callable[[], subprocess.Popen[bytes]], ending: signal.Signals
) -> None:
    make_pictures(setup.folder, 200)
    process = daemon()
    wait_for(lambda: count(setup) >= 40, 90, "40 pictures on the board")
    os.kill(process.pid, ending)
    code = process.wait(timeout=60)
    half = count(setup)
    assert half < 200
    assert code == (0 if ending == signal.SIGTERM else -signal.SIGKILL)

    result = setup.once()

    assert result["synced"] == 200
    assert len(setup.names()) == 200


def test_killed_again_and_again_each_picture_arrives_once(
    setup: Setup, daemon: Callable[[], subprocess.Popen[bytes]]
) -> None:
    make_pictures(setup.folder, 60)
    moments = random.Random(7)
    for _ in range(8):
        process = daemon()
        time.sleep(1.2 + moments.random() * 1.5)
        process.kill()
        process.wait()

    result = setup.once()

    assert result["synced"] == 60
    assert len(setup.names()) == 60


def test_a_lost_state_file_uploads_nothing(setup: Setup) -> None:
    make_pictures(setup.folder, 40)
    setup.once()
    for path in setup.state.parent.iterdir():
        path.unlink()

    result = setup.once()

    assert (result["uploaded"], result["synced"]) == (0, 40)
    assert len(setup.names()) == 40


def test_outputs_of_the_server_land_once_and_whole_and_are_not_pushed_back(
    setup: Setup, daemon: Callable[[], subprocess.Popen[bytes]]
) -> None:
    make_pictures(setup.folder, 3)
    setup.once()
    daemon()
    outputs = setup.folder / "outputs"

    for number in range(5):
        setup.server.generate(setup.board_id(), (64 + number, 64))
    wait_for(lambda: len(list(outputs.glob("*.png"))) == 5, 60, "five outputs in the folder")
    wait_for(lambda: setup.run("status").returncode == 0, 30, "status answers")

    result = setup.once()
    assert (result["uploaded"], result["downloaded"], result["synced"]) == (0, 0, 8)
    assert len(setup.names()) == 8
    assert sorted(_width(path) for path in outputs.iterdir()) == [64, 65, 66, 67, 68]


def _width(path: Path) -> int:
    with Image.open(path) as image:
        image.load()
        return image.size[0]
