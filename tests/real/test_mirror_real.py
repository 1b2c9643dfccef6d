"""The main job on a real InvokeAI server, with real files and real processes."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageOps

from boardsync.formats import JPEG, PNG, WEBP
from picture_samples import sample
from real.counting_proxy import counting
from real.invokeai_server import RealInvokeAI

pytestmark = pytest.mark.real

PROMPT = '{"positive_prompt":"a fox in the snow","seed":%d}'


class Setup:
    """A settings file, a folder and a board on the real server."""

    def __init__(self, base: Path, server: RealInvokeAI) -> None:
        self.server = server
        self.folder = base / "pictures"
        self.folder.mkdir()
        self.board = f"board {uuid.uuid4()}"
        self.config = base / "config.yaml"
        self.state = base / "state" / "state.db"
        self.write_config(server.url)

    def write_config(self, url: str) -> None:
        self.config.write_text(
            json.dumps(
                {
                    "state": str(self.state),
                    "servers": {"main": {"kind": "invokeai", "url": url}},
                    "mirrors": [
                        {"name": "m", "folder": str(self.folder), "server": "main",
                         "board": self.board, "settle": {"quiet": "500ms"}}
                    ],
                }
            )
        )  # fmt: skip

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "boardsync", "-c", str(self.config), *arguments]

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=300, check=False
        )

    def once(self) -> dict[str, Any]:
        done = self.run("once", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)["mirrors"][0]

    def api(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.server.url}/api/v1/{path}", timeout=60) as answer:
            return json.loads(answer.read())

    def board_id(self) -> str:
        boards = self.api("boards/?all=true&include_archived=true")
        return next(b["board_id"] for b in boards if b["board_name"] == self.board)

    def names(self) -> list[str]:
        return self.api(f"boards/{self.board_id()}/image_names")

    def full(self, name: str) -> Image.Image:
        with urllib.request.urlopen(
            f"{self.server.url}/api/v1/images/i/{name}/full", timeout=60
        ) as answer:
            image = Image.open(io.BytesIO(answer.read()))
            image.load()
        return image


@pytest.fixture
def setup(tmp_path: Path, invokeai: RealInvokeAI) -> Setup:
    return Setup(tmp_path, invokeai)


def make_pictures(folder: Path, count: int, size: tuple[int, int] = (160, 120)) -> list[Path]:
    """Write different real pictures of several formats, modes and traits into subfolders."""
    made = []
    for number in range(count):
        name, content = _content(number, size)
        path = folder / ["", "a", "a/b", "\u00fcmlaut", "c d"][number % 5] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        made.append(path)
    return made


def _content(number: int, size: tuple[int, int]) -> tuple[str, bytes]:
    stem, seed = f"p{number:03}", 1000 + number
    prompt = (("invokeai_metadata", PROMPT % number), ("parameters", f"a fox\nSeed: {number}"))
    choices: list[Callable[[], tuple[str, bytes]]] = [
        lambda: (f"{stem}.png", sample(PNG, "RGB", size, seed=seed)),
        lambda: (f"{stem}.jpg", sample(JPEG, "RGB", size, seed=seed, orientation=1 + number % 8)),
        lambda: (f"{stem}.webp", sample(WEBP, "RGB", size, seed=seed)),
        lambda: (f"{stem}.png", sample(PNG, "RGBA", size, seed=seed, text=prompt)),
        lambda: (f"{stem}.png", sample(PNG, "P", size, seed=seed)),
    ]
    return choices[number % len(choices)]()


def wait_for(condition: Callable[[], bool], seconds: float, what: str) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, f"not within {seconds} s: {what}"
        time.sleep(0.1)


@pytest.fixture
def daemon(setup: Setup) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        process = subprocess.Popen(setup.command("run"), stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait()


def test_two_hundred_pictures_arrive_once_upright_and_with_the_same_pixels(setup: Setup) -> None:
    paths = make_pictures(setup.folder, 200)

    result = setup.once()

    assert (result["uploaded"], result["synced"], result["refused"]) == (200, 200, 0)
    names = setup.names()
    assert len(names) == len(set(names)) == 200
    told = {entry["path"]: entry for entry in _links(setup)}
    for path in paths:
        item = told[str(path.relative_to(setup.folder))]["item_id"]
        with Image.open(path) as opened:
            original = ImageOps.exif_transpose(opened).convert("RGBA")
        stored = setup.full(item).convert("RGBA")
        assert stored.size == original.size, path
        assert ImageChops.difference(stored, original).getbbox(alpha_only=False) is None, path


def test_generation_data_survives_and_carries_our_mark_beside_it(setup: Setup) -> None:
    make_pictures(setup.folder, 5)
    setup.once()

    marked = [e for e in _links(setup) if e["path"].endswith("p003.png")]
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
    wait_for(lambda: _count(setup) >= 40, 90, "40 pictures on the board")
    os.kill(process.pid, ending)
    code = process.wait(timeout=60)
    half = _count(setup)
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


def _count(setup: Setup) -> int:
    try:
        return len(setup.names())
    except StopIteration:
        return 0


def _links(setup: Setup) -> list[dict[str, Any]]:
    told = json.loads(setup.run("history", "--json").stdout)["runs"]
    links: list[dict[str, Any]] = []
    for run in told:
        links += json.loads(setup.run("history", str(run["id"]), "--json").stdout)["links"]
    return links
