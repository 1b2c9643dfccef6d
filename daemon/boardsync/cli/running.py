"""The commands that mirror: run, once, plan."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click
import structlog

from boardsync.cli import exits, passes
from boardsync.cli.access import Context, Wiring, daemon_request, pass_context
from boardsync.cli.output import print_json, print_table, printable
from boardsync.cli.progress import following
from boardsync.config.load import load
from boardsync.config.model import Settings
from boardsync.engine.assembly import assemble
from boardsync.engine.memory import share_arenas
from boardsync.engine.niceness import Niceness, stand_back
from boardsync.engine.once import PATIENCE_SECONDS, MirrorResult
from boardsync.engine.once import once as engine_once
from boardsync.engine.planning import plan_mirrors
from boardsync.engine.reload import Reading
from boardsync.engine.service import (
    Service,
    carrying,
    opened,
    reload_on_hangup,
    stop_on_signals,
)
from boardsync.errors import SettingsError
from boardsync.state.database import open_scratch
from boardsync.telemetry.logging import keep_recent

log = structlog.get_logger(__name__)


@click.command()
@pass_context
@exits.explained
def run(context: Context) -> None:
    """Watch and mirror until stopped: the daemon.

    SIGTERM and Ctrl-C let what is under way finish; a second one stops at once.
    """
    settings = context.settings()
    context.configure_logging(settings, level=settings.log.level)
    _demand_mirrors(settings, context.config_path)
    niceness = stand_back(settings.process)
    share_arenas()
    asyncio.run(_run(settings, context.wiring, _reading(context), niceness))


def _reading(context: Context) -> Reading:
    """Return how a running daemon reads the settings that it was started with again."""

    def read() -> Settings:
        loaded = load(context.settings_file())
        for warning in loaded.warnings:
            log.warning(warning)
        _demand_mirrors(loaded.settings, loaded.path)
        return loaded.settings

    def apply(settings: Settings) -> None:
        context.configure_logging(settings, level=settings.log.level)

    return Reading(read, apply)


def _demand_mirrors(settings: Settings, path: Path | None) -> None:
    if not settings.mirrors:
        raise SettingsError(f"{path}: no mirrors are set; add one under `mirrors`")


async def _run(
    settings: Settings, wiring: Wiring, reading: Reading, niceness: Niceness
) -> None:  # fmt: skip
    recent = keep_recent()
    async with opened(settings) as assembly:
        service = Service(assembly, reading)
        service.followers.append(niceness.follow)
        service.recent_log = recent.lines
        stop_on_signals(service.stop)
        reload_on_hangup(service.reload_soon, service.stop)
        async with wiring.serving(service, settings.socket):
            await service.run()


@click.command()
@click.argument("mirrors", nargs=-1)
@click.option("--even-paused", is_flag=True, help="Also what is paused, or in quiet hours.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@pass_context
@exits.explained
def once(context: Context, mirrors: tuple[str, ...], even_paused: bool, as_json: bool) -> None:
    """Reconcile all MIRRORS, or the named ones, once; wait for the result.

    Beside a running daemon, the daemon does it. Exit code 1: something failed, or is left to
    do. Pictures that stand refused are counted and told every time, and leave it at 0. So does a
    mirror that is paused, which is told and left alone.
    """
    settings = context.settings()
    asked = {"mirrors": list(mirrors), "even_paused": even_paused}
    results = daemon_request(settings, "POST", "/once", asked, timeout=None)
    if results is None:
        done = asyncio.run(_once(settings, mirrors, even_paused=even_paused))
        results = [one.as_dict() for one in done]
    if as_json:
        print_json({"mirrors": results})
    else:
        passes.print_summary(results)
    sys.exit(passes.exit_code(results))


async def _once(
    settings: Settings, names: Sequence[str], *, even_paused: bool
) -> list[MirrorResult]:  # fmt: skip
    async with opened(settings) as assembly, carrying(assembly), following(assembly):
        task = asyncio.ensure_future(
            engine_once(assembly, names, PATIENCE_SECONDS, even_paused=even_paused)
        )
        stop_on_signals(partial(_cancel, task))
        try:
            return await task
        except asyncio.CancelledError:
            click.echo("boardsync: stopped; what was left goes on at the next run", err=True)
            raise SystemExit(exits.TRY_LATER) from None


def _cancel(task: asyncio.Future[Any]) -> None:
    task.cancel()


@click.command()
@click.argument("mirrors", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help='Print {"actions": [...]}.')
@pass_context
@exits.explained
def plan(context: Context, mirrors: tuple[str, ...], as_json: bool) -> None:
    """Tell what the next pass would do, and why; do nothing.

    Looks at both sides as a pass does, on a copy of the state, and stops after deciding.
    """
    settings = context.settings()
    told = asyncio.run(_plan(settings, mirrors))
    if as_json:
        print_json(told)
        return
    rows = [
        [a["mirror"], a["action"], a["path"] or a["item"], a["board"], a["reason"]]
        for a in told["actions"]
    ]
    if rows:
        print_table(("mirror", "action", "picture", "board", "why"), rows)
    else:
        click.echo("Nothing to do.")
    for line in told["remarks"]:
        click.echo(printable(line), err=True)


async def _plan(settings: Settings, names: Sequence[str]) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="boardsync-plan-") as directory:
        state = await asyncio.to_thread(open_scratch, settings.state, Path(directory))
        assembly = await assemble(settings, state)
        try:
            return await plan_mirrors(assembly, names)
        finally:
            await assembly.close()
            state.close()
