"""`boardsync metadata`: for people, for programs, and the texts themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boardsync.formats import PNG
from cli.command_kit import call
from generation_samples import NEGATIVE, SEED, WEBUI, png, with_chunks
from picture_samples import chunk, sample


@pytest.fixture
def picture(tmp_path: Path) -> str:
    path = tmp_path / "a.png"
    path.write_bytes(png({"parameters": WEBUI}, "tEXt"))
    return str(path)


@pytest.fixture
def empty(tmp_path: Path) -> str:
    path = tmp_path / "empty.png"
    path.write_bytes(sample(PNG))
    return str(path)


def test_a_person_sees_each_value_and_its_place(picture: str) -> None:
    told = call("metadata", picture)
    assert told.exit_code == 0
    lines = [line.split() for line in told.stdout.splitlines()]
    assert ["seed", str(SEED), "PNG", "tEXt", "parameters:", "Seed"] in lines
    assert "waves_v2, weight 0.8, hash 0123456789ab" in told.stdout
    assert told.stdout.splitlines()[0] == picture


def test_a_program_gets_values_places_and_texts(picture: str) -> None:
    [told] = json.loads(call("metadata", "--json", "--raw", picture).stdout)
    assert told["file"] == picture
    assert told["negative_prompt"] == {
        "value": NEGATIVE, "source": "PNG tEXt parameters: Negative prompt",
    }  # fmt: skip
    assert told["loras"][0]["weight"] == 0.8
    assert told["more"]["Hires upscale"]["value"] == "2"
    assert told["texts"] == [
        {"source": "PNG tEXt parameters", "keyword": "parameters", "text": WEBUI}
    ]
    assert "texts" not in json.loads(call("metadata", "--json", picture).stdout)[0]


def test_the_texts_themselves_are_shown(picture: str) -> None:
    told = call("metadata", "--raw", picture).stdout
    assert told.splitlines()[1] == "--- PNG tEXt parameters"
    assert "\n".join(told.splitlines()[2:-1]) == WEBUI


def test_a_picture_that_tells_nothing_is_no_failure(empty: str) -> None:
    told = call("metadata", empty)
    assert (told.exit_code, told.stdout) == (0, f"{empty}\nno generation data\n\n")


def test_one_failure_is_told_and_the_rest_is_read(picture: str, empty: str, tmp_path: Path) -> None:
    text = tmp_path / "b.png"
    text.write_text("no picture")
    files = [str(tmp_path / "missing.png"), picture, str(text), str(tmp_path), empty]
    told = call("metadata", *files)
    assert told.exit_code == 1
    assert str(SEED) in told.stdout
    assert "no generation data" in told.stdout
    assert told.stderr.splitlines() == [
        f"boardsync: {tmp_path}/missing.png: there is no such file",
        f"boardsync: {text}: not a picture: no known format begins so",
        f"boardsync: {tmp_path}: not a regular file",
    ]
    records = json.loads(call("metadata", "--json", *files).stdout)
    assert [one["file"] for one in records] == files
    assert [one.get("error", "") != "" for one in records] == [True, False, True, True, False]


def test_what_could_not_be_read_is_told_beside_what_could(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    damaged = chunk(b"zTXt", b"workflow\0\0nonsense")
    path.write_bytes(with_chunks(damaged, png({"parameters": WEBUI})[33:]))
    told = call("metadata", str(path))
    assert told.exit_code == 0
    assert str(SEED) in told.stdout
    assert "workflow: left out, it is damaged" in told.stderr


def test_nothing_of_a_picture_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png({"parameters": f"\x1b[2J\x07evil\n{WEBUI}"}, "tEXt"))
    for option in ("--no-pixels", "--raw"):
        told = call("metadata", option, str(path)).stdout
        assert "\x1b" not in told
        assert "\\x1b[2J\\x07evil" in told


def test_an_error_about_a_name_that_is_no_text_is_still_json(tmp_path: Path) -> None:
    told = call("metadata", "--json", f"{tmp_path}/\udcff.png")
    [record] = json.loads(told.stdout_bytes)
    assert record["error"] == f"{tmp_path}/\\udcff.png: there is no such file"


def test_files_are_needed() -> None:
    assert call("metadata").exit_code == 2
