"""The small commands around a setup: check, completion, version.

The engine is imported by the one that needs it: `version` and `completion` answer at once.
"""

from __future__ import annotations

import asyncio
import sys
from typing import TYPE_CHECKING

import click

from boardsync import __version__
from boardsync.cli import exits
from boardsync.cli.access import Context, pass_context
from boardsync.cli.output import print_json, print_table, printable

if TYPE_CHECKING:
    from boardsync.engine.checkup import Finding

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def version(as_json: bool) -> None:
    """Print the version."""
    if as_json:
        print_json({"version": __version__, "python": sys.version.split()[0]})
    else:
        click.echo(f"boardsync {__version__}")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the completion script for SHELL.

    bash: eval "$(boardsync completion bash)", in ~/.bashrc.
    """
    from click.shell_completion import get_completion_class

    from boardsync.cli.main import main

    found = get_completion_class(shell)
    assert found is not None  # noqa: S101
    click.echo(found(main, {}, "boardsync", "_BOARDSYNC_COMPLETE").source())


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
@exits.explained
def check(context: Context, as_json: bool) -> None:
    """Check settings, folders, permissions, servers, disk room and watcher limits.

    Changes nothing. Exit code 1: something stands in the way; 78: the settings do.
    """
    from boardsync.engine.checkup import check_up

    settings = context.settings()
    findings = asyncio.run(check_up(settings))
    if as_json:
        print_json(
            {"settings": str(context.config_path), "findings": [f.as_dict() for f in findings]}
        )
    else:
        click.echo(f"{printable(context.config_path)}: valid")
        print_table(("", "what", "found"), [_row(finding) for finding in findings])
    sys.exit(exits.FAILED if any(not finding.good for finding in findings) else exits.OK)


def _row(finding: Finding) -> tuple[str, str, str]:
    return ("ok" if finding.good else "BAD", finding.subject, finding.text)
