"""The reference of the commands says what the commands say."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from boardsync.cli.exits import MEANINGS
from boardsync.cli.main import main as boardsync
from boardsync.cli.reference import main, reference

CHECKED_IN = Path(__file__).parents[2] / "docs" / "cli.md"


@click.group()
def tool() -> None:
    """Do things."""


@tool.group()
def inner() -> None:
    """Do inner things."""


@inner.command()
@click.argument("subject")
@click.option("--level", default=3, show_default=True, help="How much: a | b.")
def deepest(subject: str, level: int) -> None:
    """Do the innermost thing.

    And say so.
    """


@tool.command(hidden=True)
def secret() -> None:
    """Do what nobody is told."""


def test_the_checked_in_reference_is_up_to_date() -> None:
    assert main(["--check", str(CHECKED_IN)]) == 0


def test_every_command_has_its_own_part() -> None:
    text = reference()
    group = boardsync.get_command(click.Context(boardsync), "images")
    assert isinstance(group, click.Group)
    for name in group.commands:
        assert f"\n### boardsync images {name}\n" in text
    for name in boardsync.list_commands(click.Context(boardsync)):
        assert f"\n## boardsync {name}\n" in text


def test_a_command_is_described_by_its_usage_its_words_and_its_options() -> None:
    text = reference(tool, "tool")
    assert "```text\ntool inner deepest [OPTIONS] SUBJECT\n```" in text
    assert "Do the innermost thing.\n\nAnd say so.\n" in text
    assert "| `--level INTEGER` | How much: a \\| b. [default: 3] |" in text
    assert "- [`tool inner`](#tool-inner): Do inner things." in text
    assert "  - [`tool inner deepest`](#tool-inner-deepest): Do the innermost thing." in text


def test_hidden_commands_stay_hidden() -> None:
    assert "secret" not in reference(tool, "tool")


def test_the_exit_codes_are_explained() -> None:
    text = reference(tool, "tool")
    assert all(f"| `{code}` | {meaning} |" in text for code, meaning in MEANINGS.items())


def test_the_width_of_the_terminal_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    narrow = reference()
    monkeypatch.setenv("COLUMNS", "200")
    assert reference() == narrow


def test_drift_is_noticed_and_writing_mends_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "cli.md"
    assert main(["--check", str(path)]) == 1
    assert "make docs" in capsys.readouterr().out
    assert main([str(path)]) == 0
    assert main(["--check", str(path)]) == 0
    path.write_text(path.read_text().replace("boards", "bords"))
    assert main(["--check", str(path)]) == 1
