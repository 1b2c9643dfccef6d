"""A mirror between a temporary folder and a real server, driven through real processes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from boardsync.formats import JPEG, PNG, WEBP
from picture_samples import sample
from real.invokeai_server import RealInvokeAI

PROMPT = '{"positive_prompt":"a fox in the snow","seed":%d}'


class Setup:
    """A settings file, a folder and a board on the real server."""

    def __init__(self, base: Path, server: RealInvokeAI) -> None:
        self.server = server
        self.folder = base / "pictures"
        self.folder.mkdir()
        self.board = f"board {uuid.uuid4()}"
        # All tests share a server, and pictures of one mirror are known again wherever they are.
        self.mirror_id = uuid.uuid4().hex
        self.config = base / "config.yaml"
        self.state = base / "state" / "state.db"
        self.write_config(server.url)

    def write_config(self, url: str, limits: dict[str, Any] | None = None, **mirror: Any) -> None:
        """Write the settings. mirror: further settings of the mirror."""
        self.config.write_text(
            json.dumps(
                {
                    "state": str(self.state),
                    "servers": {"main": {"kind": "invokeai", "url": url}},
                    "limits": limits or {},
                    "mirrors": [
                        {"name": "m", "id": self.mirror_id, "folder": str(self.folder),
                         "server": "main", "board": self.board,
                         "settle": {"quiet": "500ms"}} | mirror
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

    def delete_image(self, name: str) -> None:
        """Delete an image as a person does, for good."""
        request = urllib.request.Request(
            f"{self.server.url}/api/v1/images/i/{name}", method="DELETE"
        )
        urllib.request.urlopen(request, timeout=60).close()

    def full(self, name: str) -> Image.Image:
        with urllib.request.urlopen(
            f"{self.server.url}/api/v1/images/i/{name}/full", timeout=60
        ) as answer:
            image = Image.open(io.BytesIO(answer.read()))
            image.load()
        return image


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


def count(setup: Setup) -> int:
    try:
        return len(setup.names())
    except StopIteration:
        return 0


def links_of(setup: Setup) -> list[dict[str, Any]]:
    told = json.loads(setup.run("history", "--json").stdout)["runs"]
    links: list[dict[str, Any]] = []
    for run in told:
        links += json.loads(setup.run("history", str(run["id"]), "--json").stdout)["links"]
    return links
