"""The command that has a running daemon read its settings again."""

from __future__ import annotations

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
}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
@exits.explained
def reload(context: Context, as_json: bool) -> None:
    """Have the running daemon read its settings again.

    What changed is set up anew, once its transfers under way have finished; the rest goes on
    untouched. Settings that are refused change nothing (exit code 78). `state` and `socket` need
    a restart.
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


def _print(told: Mapping[str, Any]) -> None:
    lines = [f"{words}: {', '.join(told[key])}" for key, words in _WORDS.items() if told[key]]
    if told["schedule"]:
        lines.append("the schedule is another")
    for line in lines or ["The settings were read again. No mirror and no server has changed."]:
        click.echo(printable(line))
