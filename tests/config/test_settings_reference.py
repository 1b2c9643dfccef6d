"""The reference and the example say what the model says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydantic import BaseModel

from boardsync.config import shapes
from boardsync.config.load import load
from boardsync.config.model import Secret, Settings
from boardsync.config.reference import main, reference

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "config.example.yaml"


def sections(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        wanted = shapes.of_field(field)
        inner = get_args(wanted.inner)
        for deeper in wanted.models or (shapes.unwrap(inner[-1]).models if inner else ()):
            yield from sections(deeper)


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "STATE_DIRECTORY", "RUNTIME_DIRECTORY"):
        monkeypatch.delenv(name, raising=False)


def test_the_checked_in_reference_is_up_to_date() -> None:
    assert main(["--check", str(ROOT / "docs" / "settings.md")]) == 0


def test_a_reference_that_drifted_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.md"
    assert main(["--check", str(path)]) == 1
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(path.read_text().replace("`15 min`", "`16 min`"))
    assert main(["--check", str(path)]) == 1
    assert "make docs" in capsys.readouterr().out


def test_every_setting_is_in_the_reference_with_a_meaning() -> None:
    text = reference()
    found = list(sections(Settings))
    assert len(found) == 27
    for section in found:
        for name, field in section.model_fields.items():
            assert f"| `{name}` | " in text
            assert field.description
            assert field.description.endswith(".")


def test_the_example_loads_as_it_is() -> None:
    loaded = load(EXAMPLE)
    assert loaded.warnings == ()
    assert [mirror.name for mirror in loaded.settings.mirrors] == ["References", "Archive"]


def test_every_setting_is_in_the_example() -> None:
    text = EXAMPLE.read_text()
    for section in sections(Settings):
        for name in section.model_fields:
            if section is Secret:
                assert f"{{{name}: " in text
            else:
                assert re.search(rf"^ *(- |#)?{name}:", text, re.MULTILINE), name


@pytest.mark.usefixtures("plain_environment")
def test_the_defaults_in_the_example_are_the_defaults(tmp_path: Path) -> None:
    uncommented, count = re.subn(
        r"^( *)#([a-z_]+:)", r"\1\2", EXAMPLE.read_text(), flags=re.MULTILINE
    )
    path = tmp_path / "config.yaml"
    path.write_text(uncommented)
    assert count > 40
    assert load(path).settings == load(EXAMPLE).settings
