"""`boardsync groups`: for people, for programs, and what is told beside the groups."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from boardsync.formats import PNG
from cli.command_kit import call
from generation_samples import SEED, WEBUI, png
from picture_samples import sample
from places import shared_folder, unprivileged


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run of two, whose second one's data disagrees; one alone; and one without a seed."""
    other = png({"parameters": WEBUI.replace(str(SEED), "99")}, "tEXt")
    contents = {
        "9-5.png": sample(PNG), "10-6.png": other, "x.png": other, "y.png": sample(PNG),
    }  # fmt: skip
    (tmp_path / "sub").mkdir()
    for name, content in (contents | {"sub/1-7.png": sample(PNG)}).items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_a_person_sees_a_line_for_each_group(folder: Path) -> None:
    told = call("groups", str(folder))
    assert told.exit_code == 0
    assert [line.split() for line in told.stdout.splitlines()] == [
        ["group", "first", "id", "count", "seeds", "names"],
        ["1", "9", "2", "5-6", "9-5.png,", "10-6.png"],
        ["2", "-", "1", "99", "x.png"],
        ["3", "-", "1", "-", "y.png"],
    ]
    assert told.stderr == (
        f"boardsync: {folder}/10-6.png: seed 6 by its name, 99 by its generation data "
        "(PNG tEXt parameters: Seed)\n"
    )


def test_directories_below_are_told_by_their_names(folder: Path) -> None:
    told = call("groups", "--recursive", str(folder)).stdout.splitlines()
    assert told[0] == "."
    assert told[-4:-2] == ["", "sub"]
    assert told[-1].split() == ["1", "1", "1", "7", "1-7.png"]


def test_a_program_gets_everything(folder: Path) -> None:
    found = json.loads(call("groups", "--json", "--recursive", str(folder)).stdout)
    source = "PNG tEXt parameters: Seed"
    assert found[0] == {
        "directory": "", "group": 1, "id": 9, "count": 2, "first_seed": 5, "last_seed": 6,
        "pictures": [
            {"name": "9-5.png", "id": 9, "seed": 5, "seed_source": "name"},
            {"name": "10-6.png", "id": 10, "seed": 6, "seed_source": "name",
             "seed_of_data": {"value": 99, "source": source}},
        ],
    }  # fmt: skip
    assert found[1]["pictures"] == [
        {"name": "x.png", "id": None, "seed": 99, "seed_source": source}
    ]
    alone = {"directory": "", "group": 3, "id": None, "count": 1}
    assert found[2] == alone | {
        "first_seed": None, "last_seed": None,
        "pictures": [{"name": "y.png", "id": None, "seed": None, "seed_source": None}],
    }  # fmt: skip
    assert [(one["directory"], one["group"]) for one in found] == [
        ("", 1), ("", 2), ("", 3), ("sub", 1),
    ]  # fmt: skip


def test_names_alone_tell_of_no_data(folder: Path) -> None:
    told = call("groups", "--names-only", str(folder))
    assert told.stderr == ""
    assert [line.split()[3] for line in told.stdout.splitlines()[1:]] == ["5-6", "-", "-"]


def test_a_file_that_cannot_be_read_is_told_and_the_rest_is_grouped(folder: Path) -> None:
    (folder / "11-7.png").write_text("no picture")
    told = call("groups", str(folder))
    assert told.exit_code == 1
    assert "9-5.png, 10-6.png, 11-7.png" in told.stdout
    assert told.stderr.splitlines()[1] == (
        f"boardsync: {folder}/11-7.png: not a picture: no known format begins so"
    )
    found = json.loads(call("groups", "--json", str(folder)).stdout)
    assert found[0]["pictures"][2]["error"] == "not a picture: no known format begins so"
    assert found[0]["pictures"][2]["try_again"] is False


def test_a_directory_that_cannot_be_listed_is_told_and_the_rest_is_grouped() -> None:
    with shared_folder() as folder:
        for name in ("a", "b"):
            (folder / name).mkdir()
            (folder / name / "1-5.png").write_bytes(sample(PNG))
        (folder / "a").chmod(0)
        call("groups", str(folder))  # what is imported late is out of nobody's reach
        with unprivileged():
            told = call("groups", "--recursive", str(folder))
        (folder / "a").chmod(0o700)
    assert told.exit_code == 1
    assert told.stdout.splitlines()[0] == "b"
    assert told.stderr == f"boardsync: {folder}/a: permission denied\n"


def test_a_folder_without_pictures_is_no_failure(tmp_path: Path) -> None:
    told = call("groups", str(tmp_path))
    assert (told.exit_code, told.stdout) == (0, "no pictures\n")
    assert json.loads(call("groups", "--json", str(tmp_path)).stdout) == []


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    told = call("groups", str(tmp_path / "missing"))
    assert told.exit_code == 75
    assert f"{tmp_path}/missing: missing" in told.stderr


def test_no_name_reaches_the_terminal_as_a_command(tmp_path: Path) -> None:
    (tmp_path / "\x1b[2J").mkdir()
    (tmp_path / "\x1b[2J" / "\x07\udcff\n.png").write_bytes(b"x")
    for option in ("--recursive", "--json"):
        told = call("groups", "--recursive", option, str(tmp_path))
        assert told.exit_code == 1
        assert "\\x07\\udcff\\n.png" in told.output.replace("\\\\", "\\")
        assert not {"\x1b", "\x07"} & set(told.output)
