"""`boardsync index`, `find`, `thumbnail`: for people and programs, with settings and without."""

from __future__ import annotations

import json
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest
from PIL import Image

from cli.command_kit import call
from cli.place_kit import Place, picture
from index.index_kit import Indexed


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user without settings."""
    for name in ("BOARDSYNC_CONFIG", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr("boardsync.config.load.SYSTEM_SETTINGS", tmp_path / "none.yaml")
    return tmp_path / "home"


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    made = Indexed(tmp_path)
    made.picture("cat.png", "a red cat,\non a chair", 7)
    made.picture("sub/dog.png", "a dog " * 30, 2**64 - 1, model="flux1-dev")
    made.write("plain.png", picture())
    made.write("broken.png", b"no picture")
    return made.folder


def test_a_folder_is_found_in_without_any_settings(folder: Path, home: Path) -> None:
    told = call("index", str(folder))
    assert told.exit_code == 0
    heading, row = (line.split() for line in told.stdout.splitlines())
    assert dict(zip(heading, row, strict=True)) | {"seconds": ""} == {
        "folder": str(folder), "mirror": "-", "pictures": "4", "changed": "4", "gone": "0",
        "read": "4", "failed": "1", "seconds": "",
    }  # fmt: skip
    found = call("find", "red cat -dog", "seed:7")
    assert (found.exit_code, found.stderr) == (0, "")
    assert found.stdout.splitlines()[1].split()[:3] == [str(folder / "cat.png"), "7", "512x768"]
    assert "a red cat, on a chair" in found.stdout
    assert (home / ".cache" / "boardsync" / "index.db").exists()


def test_a_program_gets_everything(folder: Path) -> None:
    call("index", str(folder))
    told = json.loads(call("find", "model:flux1*", "--json").stdout)
    [dog] = told["found"]
    assert dog | {"prompt": "", "bytes": 0} == {
        "file": str(folder / "sub" / "dog.png"), "mirror": None, "bytes": 0,
        "changed": "2001-09-09T01:46:42.000+00:00", "seed": 2**64 - 1, "width": 512, "height": 768,
        "prompt": "", "negative_prompt": "blurry", "model": "flux1-dev",
        "model_hash": "67ab2fd8ec", "loras": [], "software": "AUTOMATIC1111",
        "sampler": "Euler a", "scheduler": "Karras", "trouble": None,
    }  # fmt: skip
    [standing] = told["index"]
    assert (standing["folder"], standing["unread"], told["more"]) == (str(folder), 0, False)


def test_paths_for_xargs_are_the_bytes_they_are(folder: Path) -> None:
    name = os.path.join(os.fsencode(folder), b"latin\xe9\n.png")
    Path(os.fsdecode(name)).write_bytes((folder / "cat.png").read_bytes())
    call("index", str(folder))
    told = call("find", "cat", "--paths0")
    assert sorted(told.stdout_bytes.split(b"\0")) == sorted(
        [b"", os.fsencode(folder / "cat.png"), name]
    )


def test_what_is_found_is_sorted_bounded_and_says_when_there_is_more(folder: Path) -> None:
    call("index", str(folder))
    newest = [Path(one["file"]).name for one in json.loads(call("find", "--json").stdout)["found"]]
    assert newest == ["broken.png", "plain.png", "dog.png", "cat.png"]
    relevant = json.loads(call("find", "a", "--sort", "relevance", "--json").stdout)["found"]
    assert [Path(one["file"]).name for one in relevant] == ["dog.png", "cat.png"]
    bounded = call("find", "--limit", "2")
    assert len(bounded.stdout.splitlines()) == 5
    assert "and more; --limit shows more than 2" in bounded.stdout
    below = json.loads(call("find", "--folder", str(folder / "sub"), "--json").stdout)
    assert [Path(one["file"]).name for one in below["found"]] == ["dog.png"]
    assert call("find", "no such word").stdout == "nothing was found\n"


def test_a_bad_query_is_told_with_its_place(folder: Path) -> None:
    call("index", str(folder))
    for query, words in (
        ("cat modle:x", "the query, at character 5: there is no field 'modle'"),
        ("mirror:Nobody", "the mirror 'Nobody' is not in the index; in it are: none"),
    ):
        refused = call("find", query)
        assert refused.exit_code == 2
        assert words in refused.stderr


def test_before_anything_was_indexed_that_is_said(folder: Path, home: Path) -> None:
    told = call("find", "cat")
    assert told.exit_code == 1
    assert "nothing was indexed yet; `boardsync index` does it" in told.stderr
    assert not (home / ".cache").exists()
    assert "name a folder" in call("index").stderr
    told = call("find", "cat", "--update", "--folder", str(folder))
    assert (told.exit_code, "cat.png" in told.stdout) == (0, True)


def test_a_folder_is_forgotten(folder: Path) -> None:
    call("index", str(folder))
    assert call("index", "--forget", str(folder)).exit_code == 0
    assert json.loads(call("find", "--json").stdout) == {"found": [], "more": False, "index": []}
    again = call("index", "--forget", str(folder))
    assert (again.exit_code, again.stderr) == (1, f"boardsync: {folder}: not in the index\n")
    call("index", str(folder))
    other = folder / "sub"
    told = call("index", "--forget", str(folder), str(other), "--json")
    assert (told.exit_code, json.loads(told.stdout)) == (
        1,
        [{"folder": str(folder), "forgotten": True}, {"folder": str(other), "forgotten": False}],
    )


def test_a_folder_that_is_away_is_told_and_the_others_are_indexed(
    folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    assert call("index", str(other)).exit_code == 0
    other.rmdir()
    told = call("index", str(other), str(folder))
    assert told.exit_code == 75
    assert "missing; mount its disk" in told.stderr
    assert call("find", "cat").exit_code == 0


@pytest.mark.parametrize(
    ("name", "why"), [("nope", "there is no such folder"), ("cat.png", "no folder")]
)
def test_what_is_no_folder_is_refused_and_nothing_is_indexed(
    folder: Path, home: Path, name: str, why: str
) -> None:
    odd = str(folder / name)
    for arguments in (("index", str(folder), odd), ("find", "--update", "--folder", odd)):
        told = call(*arguments)
        assert told.exit_code == 2
        assert f"{odd}: {why}; nothing was indexed" in told.stderr
    assert not (home / ".cache").exists()


def test_the_mirrors_of_the_settings_are_indexed_by_their_rules(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.configure(mirror="ignore: [drafts/]")
    for name in ("a.png", "drafts/b.png", "outputs/c.png"):
        place.picture(name)
    other = tmp_path / "other"
    other.mkdir()
    told = place("find", "--update", "--folder", str(other))
    assert "m: not in the index yet" in told.stderr
    place("index", "--forget", str(other))
    [told] = place.json("index")
    assert (told["mirror"], told["pictures"]) == ("m", 2)
    below = str(place.folder / "outputs")
    [found] = place.json("find", "--update", "--folder", below)["found"]
    assert (found["file"], found["mirror"]) == (f"{below}/c.png", "m")
    found = place.json("find", "mirror:M", "--mirror", "m")["found"]
    assert sorted(Path(one["file"]).name for one in found) == ["a.png", "c.png"]
    with closing(sqlite3.connect(place.state.with_name("index.db"))) as index:
        index.execute("UPDATE folder SET looked_ms = ?", (int(time.time() - 7300) * 1000,))
        index.execute("UPDATE file SET reader = 0 WHERE path = x'612e706e67'")
        index.commit()
    assert place("find", "cat").stderr.splitlines() == [
        "boardsync: m: 1 picture not read yet",
        "boardsync: m: the index is 121 min old; `boardsync index` brings it up to date",
    ]


def test_a_thumbnail_is_made_and_told(folder: Path, home: Path) -> None:
    told = call("thumbnail", "--size", "10", str(folder / "plain.png"), str(folder / "broken.png"))
    assert told.exit_code == 1
    kept = Path(told.stdout.strip())
    assert kept.is_relative_to(home / ".cache" / "boardsync" / "thumbnails")
    with Image.open(kept) as image:
        assert (image.format, image.size) == ("WEBP", (10, 7))
    assert "broken.png: not a picture: no known format begins so" in told.stderr
    found = json.loads(
        call("thumbnail", "--json", "--size", "10", str(folder / "plain.png"), "no.png").stdout
    )
    assert found[0] == {"file": str(folder / "plain.png"), "thumbnail": str(kept)}
    assert (found[1]["file"], found[1]["try_again"]) == ("no.png", False)
    assert call("thumbnail", "--size", "0", str(folder / "plain.png")).exit_code == 2


def test_what_is_wrong_with_a_picture_is_said_once_however_it_is_named(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    (folder / "link.png").symlink_to("broken.png")
    told = call("thumbnail", "broken.png", "./sub/../no.png", "link.png")
    assert told.stderr.splitlines() == [
        "boardsync: broken.png: not a picture: no known format begins so",
        "boardsync: ./sub/../no.png: there is no such file",
        "boardsync: link.png: not a picture: no known format begins so",
    ]


def test_the_settings_say_where_thumbnails_are_kept(tmp_path: Path) -> None:
    place = Place(tmp_path)
    place.configure(more=f"thumbnails: {{folder: {tmp_path}/small, most: 1 MB, keep: 2 d}}")
    place.picture("a.png")
    told = place("thumbnail", str(place.folder / "a.png"))
    assert Path(told.stdout.strip()).is_relative_to(tmp_path / "small")
    place.configure(more=f"thumbnails: {{folder: {place.folder}/small}}")
    refused = place("thumbnail", str(place.folder / "a.png"))
    assert refused.exit_code == 78
    assert "lies in the folder of the mirror 'm'" in refused.stderr
    place.configure(more=f"index: {place.state}")
    assert "this is the state" in place("find", "cat").stderr
