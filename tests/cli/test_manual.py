"""The man page says what the commands say, in words that roff takes for nothing else."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import click
import pytest

from boardsync.cli.manual import main, manual
from boardsync.cli.reference import below

CHECKED_IN = Path(__file__).parents[2] / "docs" / "boardsync.1"


@click.group()
def tool() -> None:
    """Do things."""


@tool.command()
@click.option("--path", help=r"Such as C:\new.")
def mean(path: str) -> None:
    """.SH is no heading here.

    \b
    one line
    'another
    """


def test_the_checked_in_page_is_up_to_date() -> None:
    assert main(["--check", str(CHECKED_IN)]) == 0


def test_a_page_that_has_drifted_is_told_and_left(tmp_path: Path) -> None:
    page = tmp_path / "boardsync.1"
    page.write_text("old")
    assert main(["--check", str(page)]) == 1
    assert page.read_text() == "old"
    assert main([str(page)]) == 0
    assert page.read_text() == manual()


def test_every_command_is_in_it() -> None:
    from boardsync.cli.main import main as boardsync

    text = manual()
    for page in below(click.Context(boardsync, info_name="boardsync")):
        assert "\n.SS " + page.command_path.replace("-", "\\-") in text


def test_words_are_never_taken_for_requests() -> None:
    lines = manual(tool, "tool").splitlines()
    assert "\\&.SH is no heading here." in lines
    assert "\\&'another" in lines
    assert "Such as C:\\enew." in lines


@pytest.mark.skipif(shutil.which("groff") is None, reason="groff is not installed")
def test_it_is_set_without_a_warning() -> None:
    done = subprocess.run(
        ["groff", "-man", "-Tutf8", "-ww", str(CHECKED_IN)], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Exit" in done.stdout.decode() or "EXIT" in done.stdout.decode()
