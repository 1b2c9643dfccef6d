"""The library module: reads files, whatever a path names, from any number of threads."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import boardsync
from boardsync.errors import Missing, PictureRefused
from boardsync.formats import PNG
from boardsync.metadata import (
    SUPPORTED_FILE_EXTENSIONS,
    extract_id_and_seed,
    is_supported_file,
    read,
    read_content,
    read_parameters,
)
from generation_samples import NEGATIVE, PLAIN, PROMPT, SEED, WEBUI, png, samples
from picture_samples import raw_png, sample


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "1234-5678.png"
    path.write_bytes(png({"parameters": WEBUI}, "tEXt"))
    return path


def test_read_parameters_has_prompts_parameters_and_the_text_itself(picture: Path) -> None:
    told = read_parameters(picture)
    assert told.keys() == {"prompt", "negative_prompt", "generation_params", "raw"}
    assert told["prompt"] == f"{PROMPT}\nsecond line of the prompt"
    assert told["negative_prompt"] == NEGATIVE
    assert told["raw"] == WEBUI
    parameters = told["generation_params"]
    assert (parameters["seed"], parameters["steps"], parameters["cfg"]) == (SEED, 28, 6.5)
    assert parameters["loras"] == "waves_v2:0.8, unnamed"
    assert parameters["Hires upscale"] == "2"


def test_a_picture_that_tells_nothing_is_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(sample(PNG))
    nothing = {"prompt": "", "negative_prompt": "", "generation_params": {}, "raw": ""}
    assert read_parameters(str(path)) == nothing
    assert not read(path).found


def test_several_texts_are_all_in_the_raw_one(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png({"Title": "x", "parameters": WEBUI}))
    assert read_parameters(os.fsencode(path))["raw"] == f"Title: x\nparameters: {WEBUI}"


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1234-5678.png", (1234, 5678)),
        ("/a/b-c/0012-0.WEBP", (12, 0)),
        (Path("7-8.jpeg"), (7, 8)),
        ("1234-5678.txt", (None, None)),
        ("1234.png", (None, None)),
        ("a-5678.png", (None, None)),
        ("1-2-3.png", (None, None)),
        ("\u0661-\u0662.png", (None, None)),
        ("1-2", (None, None)),
        ("", (None, None)),
        ("1" * 5000 + "-1.png", (None, None)),
    ],
)
def test_id_and_seed_stand_in_the_name(
    name: str | Path, expected: tuple[int | None, int | None]
) -> None:
    assert extract_id_and_seed(name) == expected


def test_every_extension_is_supported() -> None:
    assert {".png", ".webp", ".jpg", ".jpeg", ".avif"} <= set(SUPPORTED_FILE_EXTENSIONS)
    assert all(is_supported_file(f"a{one}") for one in SUPPORTED_FILE_EXTENSIONS)
    assert not is_supported_file("a.txt")


_FOLLOWING = """
import sys
from boardsync.config.model import Settings
from boardsync.local.ignore import Rules
from boardsync.local.scan import ScanReport, scan
from boardsync.metadata import *
found = [each.path for each in scan(sys.argv[1].encode(), Rules(), ScanReport())]
print(found, ".jxl" in SUPPORTED_FILE_EXTENSIONS, is_supported_file("a.JXL"),
      extract_id_and_seed("1-2.jxl"))
"""


def test_an_extension_added_to_the_one_table_is_followed_everywhere(tmp_path: Path) -> None:
    """In a copy of the package: the table is made once, when the program starts."""
    (tmp_path / "inbox").mkdir()
    (tmp_path / "inbox" / "new.jxl").write_bytes(b"x")
    assert boardsync.__file__ is not None
    package = tmp_path / "boardsync"
    shutil.copytree(Path(boardsync.__file__).parent, package)
    table = package / "formats" / "__init__.py"

    def told() -> str:
        return subprocess.run(
            [sys.executable, "-c", _FOLLOWING, str(tmp_path / "inbox")],
            env=os.environ | {"PYTHONPATH": str(tmp_path)},
            capture_output=True, text=True, check=True,
        ).stdout.strip()  # fmt: skip

    assert told() == "[] False False (None, None)"
    text = table.read_text()
    assert text.count('(".webp",)') == 1
    table.write_text(text.replace('(".webp",)', '(".webp", ".jxl")'))
    assert told() == "[b'new.jxl'] True True (1, 2)"


def test_the_documentation_lists_the_extensions_of_the_table() -> None:
    page = (Path(__file__).parents[1] / "docs" / "generation-data.md").read_text()
    [listed] = re.findall(r"^Extensions: (.+)$", page, re.MULTILINE)
    assert re.findall(r"`([^`]+)`", listed) == [*SUPPORTED_FILE_EXTENSIONS]


@pytest.mark.parametrize("name", ["missing.png", "missing/a.png", "a\0.png"])
def test_what_is_not_there_is_told_as_missing(tmp_path: Path, name: str) -> None:
    with pytest.raises(Missing, match=r"no such file|can have this name"):
        read(f"{tmp_path}/{name}")


def _fifo(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _loop(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize("make", [_fifo, _socket, _device, Path.mkdir, _loop])
def test_nothing_but_regular_files_is_read_and_nothing_waited_for(
    tmp_path: Path, make: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("x.png")
    make(path)  # type: ignore[operator]
    with pytest.raises(PictureRefused, match="not a regular file"):
        read(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [(b"", "empty"), (b"text", "not a picture"), (b"\x89PNG", "not a picture")],
)
def test_what_is_no_picture_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(PictureRefused, match=reason):
        read(path)
    with pytest.raises(PictureRefused, match=reason):
        read_content(content)


def test_a_picture_without_pixels_says_so(tmp_path: Path) -> None:
    data = read_content(raw_png(0, 0, 8, 6, b""))
    assert not data.found
    assert "0 by 0 pixels" in data.troubles[0]


def test_a_symlink_to_a_picture_is_followed(picture: Path) -> None:
    link = picture.with_name("link.png")
    link.symlink_to(picture)
    assert read(link).seed == read(picture).seed


def test_texts_of_a_large_file_are_read_without_the_rest(tmp_path: Path) -> None:
    """A sparse gigabyte of pixels: it is jumped over."""
    head = png({"parameters": WEBUI})
    body = head.index(b"IDAT") - 4
    path = tmp_path / "a.png"
    with path.open("wb") as stream:
        stream.write(head[:body] + (1 << 30).to_bytes(4, "big") + b"IDAT")
        stream.seek(4 + (1 << 30), os.SEEK_CUR)
        stream.write(head[-12:])
    told = _limited(f"read({str(path)!r}).seed.value")
    assert told == str(SEED)


def _limited(expression: str) -> str:
    """Evaluate in a process that may have 300 MB of memory."""
    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (300 << 20, 300 << 20))\n"
        f"from boardsync.metadata import *\nprint({expression})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_reading_texts_loads_neither_pixels_nor_servers_nor_state(picture: Path) -> None:
    code = (
        f"import sys; from boardsync.metadata import read; read({str(picture)!r})\n"
        "print(sorted({'PIL', 'sqlalchemy', 'httpx', 'pydantic', 'fastapi', 'watchdog'}"
        " & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_eight_threads_over_a_thousand_files_mix_nothing_up(tmp_path: Path) -> None:
    every = samples()
    for number in range(1000):
        content = (
            png({"parameters": WEBUI.replace(str(SEED), str(number))}, "tEXt")
            if number % 2
            else every[number // 2 % len(every)].content
        )
        (tmp_path / f"{number}.png").write_bytes(content)
    alone = [read(tmp_path / f"{number}.png") for number in range(1000)]
    assert len({data.seed.value for data in alone if data.seed}) > 500
    order = [(number * 7919) % 1000 for number in range(1000)]
    with ThreadPoolExecutor(8) as threads:
        told = dict(
            zip(order, threads.map(lambda n: read(tmp_path / f"{n}.png"), order), strict=True)
        )
    assert [number for number in range(1000) if told[number] != alone[number]] == []


def test_prompts_of_graphs_come_through_read_parameters(tmp_path: Path) -> None:
    [one] = [each for each in samples() if str(each) == "ComfyUI-WebP-Make-and-Model"]
    path = tmp_path / "a.webp"
    path.write_bytes(one.content)
    assert read_parameters(path)["prompt"] == PLAIN
