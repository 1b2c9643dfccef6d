"""The commands that steer a daemon: pause, resume, sync."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.numbers import Duration
from boardsync.cli.output import print_json, printable
from boardsync.cli.shown import counted
from boardsync.config.model import Settings
from boardsync.engine import steering
from boardsync.engine.assembly import Assembly
from boardsync.engine.service import opened

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
SERVER = click.option("--server", metavar="NAME", help="All mirrors of this server.")
Steps = Callable[[Assembly], Coroutine[Any, Any, dict[str, Any]]]


@click.command()
@click.argument("mirrors", nargs=-1)
@SERVER
@click.option("--for", "seconds", metavar="TIME", type=Duration(), help="End after 30min, 2h ...")
@JSON
@pass_context
@exits.explained
def pause(
    context: Context, mirrors: tuple[str, ...], server: str | None, seconds: float | None,
    as_json: bool,
) -> None:  # fmt: skip
    """Pause MIRRORS, the mirrors of a server, or everything.

    What is under way finishes, and nothing new starts, until `resume`, or for a time. It is
    remembered beyond restarts, and can be asked beside a running daemon and without one.
    """
    settings = context.settings()
    _not_both(mirrors, server)
    asked = {"mirrors": list(mirrors), "server": server, "seconds": seconds}
    told = daemon_request(settings, "POST", "/pause", asked)
    if told is None:
        told = _without_daemon(settings, partial(_pause, mirrors, server, seconds))
    _tell(told, as_json)


@click.command()
@click.argument("mirrors", nargs=-1)
@SERVER
@JSON
@pass_context
@exits.explained
def resume(
    context: Context, mirrors: tuple[str, ...], server: str | None, as_json: bool
) -> None:  # fmt: skip
    """End the pause of MIRRORS or of a server; without either, every pause."""
    settings = context.settings()
    _not_both(mirrors, server)
    told = daemon_request(settings, "POST", "/resume", {"mirrors": list(mirrors), "server": server})
    if told is None:
        told = _without_daemon(settings, partial(_resume, mirrors, server))
    if not as_json:
        click.echo(f"{counted(told['ended'], 'pause')} ended")
    _tell(told, as_json)


@click.command()
@click.argument("mirrors", nargs=-1)
@JSON
@pass_context
@exits.explained
def sync(context: Context, mirrors: tuple[str, ...], as_json: bool) -> None:
    """Have the running daemon look at all MIRRORS, or the named ones, now; do not wait for it.

    `once` waits for the result, and needs no daemon.
    """
    settings = context.settings()
    told = daemon_request(settings, "POST", "/sync", {"mirrors": list(mirrors)})
    if told is None:
        click.echo(
            "boardsync: no daemon is running; `boardsync once` does it without one", err=True
        )
        sys.exit(exits.TRY_LATER)
    _tell(told, as_json, otherwise="is looked at")


def _not_both(mirrors: tuple[str, ...], server: str | None) -> None:
    if mirrors and server is not None:
        raise click.UsageError("give either MIRRORS or --server NAME")


def _without_daemon(settings: Settings, steps: Steps) -> dict[str, Any]:
    async def work() -> dict[str, Any]:
        async with opened(settings) as assembly:
            return await steps(assembly)

    return asyncio.run(work())


async def _pause(
    mirrors: tuple[str, ...], server: str | None, seconds: float | None, assembly: Assembly
) -> dict[str, Any]:
    return await steering.pause(assembly, mirrors, server, seconds)


async def _resume(
    mirrors: tuple[str, ...], server: str | None, assembly: Assembly
) -> dict[str, Any]:  # fmt: skip
    return await steering.resume(assembly, mirrors, server)


def _tell(told: Mapping[str, Any], as_json: bool, otherwise: str = "not paused") -> None:
    if as_json:
        print_json(told)
        return
    for name, words in told["mirrors"].items():
        click.echo(f"{printable(name)}: {printable(words or otherwise)}")
