"""`boardsync health`: what a container's health check runs."""

from __future__ import annotations

import sys

import click

from boardsync.cli import exits, probe
from boardsync.cli.access import Context, pass_context
from boardsync.errors import TryAgain


@click.command()
@click.option("--live", is_flag=True, help="Only ask whether the daemon is alive.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    probe.SOCKET, "path", metavar="PATH",
    help="The daemon's socket. With it no settings are read, and the answer comes sooner.",
)  # fmt: skip
@pass_context
@exits.explained
def health(context: Context, live: bool, as_json: bool, path: str | None) -> None:
    """Tell whether the running daemon is healthy: 0 is yes, 1 is no, with the reasons.

    A daemon is healthy unless something has been stuck for longer than `health.stuck_after`.
    Exit code 75: no daemon answers.
    """
    if path is None:
        settings = context.settings()
        if settings.socket is None:
            raise TryAgain("no daemon can be asked: the settings say `socket: null`")
        path = str(settings.socket)
    sys.exit(probe.probe(path, live=live, as_json=as_json))
