"""Settings files for tests: written, loaded, and their problems without the file's own name."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from boardsync.config.load import Loaded, load
from boardsync.errors import SettingsError

SERVER = """\
servers:
  home:
    kind: invokeai
    url: http://127.0.0.1:9090
"""


def write(folder: Path, text: str) -> Path:
    """Write a settings file, its text dedented."""
    path = folder / "config.yaml"
    path.write_text(dedent(text), encoding="utf-8")
    return path


def loaded(folder: Path, text: str) -> Loaded:
    """Load settings given as text."""
    return load(write(folder, text))


def problems_in(folder: Path, text: str) -> list[str]:
    """Return the lines that refuse settings, each without the file's name."""
    path = write(folder, text)
    with pytest.raises(SettingsError) as refusal:
        load(path)
    lines = str(refusal.value).splitlines()
    assert all(line.startswith(f"{path}:") for line in lines)
    return [line.removeprefix(f"{path}:") for line in lines]
