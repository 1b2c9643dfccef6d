"""The command that has a running daemon read its settings again."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.output import print_json, printable
from boardsync.errors import TryAgain

_WORDS = {
    "begun": "mirrors that begin",
    "ended": "mirrors that ended; their links stay",
    "changed": "mirrors that are set up anew",
    "servers": "servers that are spoken to anew, or no longer",
    "sections": "in force at once",
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
@exits.explained
def reload(context: Context, as_json: bool) -> None:
    """Have the running daemon read its settings again.

    Mirrors and servers that changed are set up anew, once their transfers under way have
    finished; everything else takes effect at once. Settings that are refused change nothing (exit
    code 78). `state` and `socket` need a restart. Exit code 1: the process may not have the
    priority that is set; all else is in force.
    """
    settings = context.settings()
    told = daemon_request(settings, "POST", "/reload", timeout=None)
    if told is None:
        raise TryAgain(
            f"no daemon answers on {settings.socket}: `boardsync run` starts one;"
            " where `state` or `socket` has changed, the running one needs a restart"
        )
    if as_json:
        print_json(told)
    else:
        _print(told)
    if told["remarks"]:
        sys.exit(exits.FAILED)


def _print(told: Mapping[str, Any]) -> None:
    lines = [f"{words}: {', '.join(told[key])}" for key, words in _WORDS.items() if told[key]]
    for line in lines or ["The settings were read again. Nothing has changed."]:
        click.echo(printable(line))
    for remark in told["remarks"]:
        click.echo(f"boardsync: {printable(remark)}", err=True)
