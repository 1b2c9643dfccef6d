"""The command that starts anew what was refused, or what nobody wanted any more."""

from __future__ import annotations

import asyncio
import os
import sys

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.looking import JSON
from boardsync.cli.output import print_json
from boardsync.config.model import Settings
from boardsync.engine.again import again_all, again_everywhere
from boardsync.engine.service import opened


@click.command()
@click.argument("subject", metavar="PATH|ITEM", required=False)
@click.option("--all", "mirror", metavar="MIRROR", help="All that is so in this mirror.")
@JSON
@pass_context
@exits.explained
def again(context: Context, subject: str | None, mirror: str | None, as_json: bool) -> None:
    """Start a file or an item anew that was refused, or whose other side was deleted.

    A file that was sent and is prepared otherwise now is sent again; its old item goes to the
    server's trash. PATH: absolute, or relative to here or to a mirror's folder. ITEM: the server's
    id. With --all a board that the server does not know any more is made again, too, and everything
    is sent to it.
    """
    if (subject is None) is (mirror is None):
        raise click.UsageError("give either PATH|ITEM or --all MIRROR")
    settings = context.settings()
    asked = {"subject": subject, "here": os.getcwd(), "everything": mirror}
    done = daemon_request(settings, "POST", "/again", asked)
    if done is None:
        done = asyncio.run(_again(settings, subject or "", mirror))
    if as_json:
        print_json(done)
    for name, words in () if as_json else done.items():
        click.echo(f"{name}: {'; '.join(words)}")
    if not done:
        words = f"no mirror knows {subject!r}, or nothing keeps it back"
        if mirror is not None:
            words = f"nothing keeps any picture of {mirror!r} back"
        click.echo(f"boardsync: nothing to start anew: {words}", err=True)
        sys.exit(exits.FAILED)


async def _again(
    settings: Settings, subject: str, mirror: str | None
) -> dict[str, list[str]]:  # fmt: skip
    async with opened(settings) as assembly:
        if mirror is not None:
            return await again_all(assembly, mirror)
        return await again_everywhere(assembly, subject, os.getcwd())
