"""The command that fetches the item of a file that rotted."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import asdict
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.output import print_json
from boardsync.cli.told import exit_code, print_told
from boardsync.config.model import Settings


@click.command()
@click.argument("path")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@pass_context
@exits.explained
def mend(context: Context, path: str, as_json: bool) -> None:
    """Fetch the item of a file whose bytes changed while nobody wrote to it.

    The file is read first, if that is not known yet. What is there goes to the trash, and what
    the board has takes its place; without a daemon, at the next run.
    """
    settings = context.settings()
    told = daemon_request(settings, "POST", "/mend", {"subject": path, "here": os.getcwd()})
    if told is None:
        told = asyncio.run(_mend(settings, path))
    if as_json:
        print_json(told)
    else:
        print_told(told)
    if not told:
        click.echo(f"boardsync: no mirror knows a file {path!r}", err=True)
        sys.exit(exits.FAILED)
    sys.exit(exit_code(told))


async def _mend(settings: Settings, path: str) -> list[dict[str, Any]]:
    from boardsync.engine.mend import mend as engine_mend
    from boardsync.engine.service import opened

    async with opened(settings) as assembly:
        return [asdict(one) for one in await engine_mend(assembly, path, os.getcwd())]
