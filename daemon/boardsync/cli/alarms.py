"""`boardsync alarms`: trying whether alarms arrive."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.output import print_json, print_table
from boardsync.config.model import Settings
from boardsync.engine.alarms import send_test
from boardsync.engine.channels import make_outboxes
from boardsync.engine.clock import SystemClock
from boardsync.errors import SettingsError

LONGEST_SECONDS = 600.0


@click.group()
def alarms() -> None:
    """Tell somebody when something is stuck; see `alarms` in the settings."""


@alarms.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
@exits.explained
def test(context: Context, as_json: bool) -> None:
    """Send a test alarm through every channel. Exit code 1: one of them did not arrive.

    A running daemon sends it, with the settings that it has; otherwise this command does.
    """
    settings = context.settings()
    if not settings.alarms.channels:
        raise SettingsError(
            f"{context.config_path}: no channel is set; add one under `alarms.channels`"
        )
    told = daemon_request(settings, "POST", "/alarms/test", timeout=LONGEST_SECONDS)
    if told is None:
        told = asyncio.run(_send(settings))
    if as_json:
        print_json({"channels": told})
    else:
        rows = [[one["channel"], one["arrived"], one["words"]] for one in told]
        print_table(("channel", "arrived", "what it says"), rows)
    sys.exit(exits.OK if all(one["arrived"] for one in told) else exits.FAILED)


async def _send(settings: Settings) -> list[dict[str, Any]]:
    clock = SystemClock()
    tried = await send_test(make_outboxes(settings.alarms, clock), clock)
    return [one.as_dict() for one in tried]
