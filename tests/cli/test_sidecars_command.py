"""`boardsync metadata --sidecar`: sidecars of files that a person names."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest

from boardsync.formats import PNG
from boardsync.picture.generation import GenerationData
from boardsync.picture.sidecar import Facts, sidecar
from boardsync.plan.sidecars import Kind
from cli.command_kit import call
from picture_samples import sample

TOLD = "a red fox\nSteps: 20, Sampler: Euler, Seed: 42, Size: 24x16"


def picture(folder: Path, name: str = "a.png") -> Path:
    path = folder / name
    path.write_bytes(sample(PNG, text=(("parameters", TOLD),)))
    return path


@pytest.mark.parametrize("kind", ["json", "xmp"])
def test_it_is_written_beside_the_file_and_left_when_it_is_right(tmp_path: Path, kind: str) -> None:
    path = picture(tmp_path)
    target = tmp_path / f"a.png.{kind}"
    for outcome in ("written", "unchanged"):
        result = call("metadata", "--sidecar", kind, str(path))
        assert (result.exit_code, result.stdout) == (0, f"{target}: {outcome}\n")
        assert b"a red fox" in target.read_bytes()
    assert sorted(tmp_path.iterdir()) == [path, target]


def test_it_needs_no_folder_in_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert call("metadata", "--sidecar", "json", "a.png").exit_code == 0
    assert json.loads((tmp_path / "a.png.json").read_bytes())["seed"]["value"] == 42


def test_what_is_not_ours_is_told_and_left_and_the_rest_goes_on(tmp_path: Path) -> None:
    first, second = picture(tmp_path, "a.png"), picture(tmp_path, "b.png")
    (tmp_path / "a.png.json").write_bytes(b"mine")
    missing = tmp_path / "missing.png"
    result = call("metadata", "--json", "--sidecar", "json", str(first), str(missing), str(second))
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert [one.get("outcome") for one in told] == ["another file is there", None, "written"]
    assert "there is no such file" in told[1]["error"]
    assert "left alone" in result.stderr
    assert (tmp_path / "a.png.json").read_bytes() == b"mine"


@pytest.mark.parametrize("kind", list(Kind))
def test_where_a_picture_was_pulled_from_stays_told(tmp_path: Path, kind: Kind) -> None:
    path = picture(tmp_path)
    target = tmp_path / f"a.png.{kind}"
    digest = sha256(path.read_bytes()).hexdigest()
    target.write_bytes(sidecar(kind, GenerationData(), digest, Facts(board="Art & more")))
    assert call("metadata", "--sidecar", kind.value, str(path)).exit_code == 0
    assert b"a red fox" in target.read_bytes()
    assert b"Art &" in target.read_bytes()


def test_raw_texts_are_printed_and_not_written(tmp_path: Path) -> None:
    result = call("metadata", "--raw", "--sidecar", "xmp", str(picture(tmp_path)))
    assert result.exit_code == 2
