"""`boardsync mirror`: the whole thing without a settings file."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from boardsync.cli import exits, passes
from boardsync.cli.access import Context, pass_context
from boardsync.cli.output import printable
from boardsync.cli.progress import following
from boardsync.config.model import Settings
from boardsync.config.places import default_state
from boardsync.config.values import from_values
from boardsync.engine import report
from boardsync.engine.assembly import Assembly
from boardsync.engine.once import once
from boardsync.engine.service import Service, opened, stop_on_signals
from boardsync.picture.samples import sample_pictures

DEMO = Path("demo")


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path))
@click.argument("server", required=False, metavar="URL|DIRECTORY")
@click.option("--board", help="Board, by name or id, made when missing; else the folder's name.")
@click.option(
    "--direction", type=click.Choice(["both", "push", "pull"]), default="both", show_default=True
)
@click.option("--samples", is_flag=True, help="Make FOLDER with sample pictures if it is missing.")
@click.option("--once", "only_once", is_flag=True, help="Stop after the first pass.")
@pass_context
@exits.explained
def mirror(
    context: Context, folder: Path | None, server: str | None, board: str | None,
    direction: str, samples: bool, only_once: bool,
) -> None:  # fmt: skip
    """Mirror FOLDER to a board of an InvokeAI server or of a directory, without settings.

    Without arguments: a folder with sample pictures and boards in a directory, below ./demo.
    """
    target = server or str(DEMO / "boards")
    if folder is None or samples:
        folder = folder or DEMO / "pictures"
        _make_samples(folder)
    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    if "://" not in target:
        target = str(Path(target).expanduser())
        Path(target).mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()
    settings = _settings(folder, target, board or printable(folder.name), direction)
    context.configure_logging(settings)
    code = asyncio.run(_mirror(context, settings, target, only_once=only_once))
    raise SystemExit(code)


def _make_samples(folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir(parents=True)
    for name, content in sample_pictures().items():
        (folder / name).write_bytes(content)
    where = printable(folder.resolve())
    click.echo(f"Made {where} with {len(list(folder.iterdir()))} sample pictures.")


def _settings(folder: Path, target: str, board: str, direction: str) -> Settings:
    """Build settings whose state is found again by the same folder, server and board."""
    if "://" in target:
        server: dict[str, Any] = {"kind": "invokeai", "url": target}
    else:
        server = {"kind": "directory", "path": Path(target).resolve()}
        target = str(server["path"])
    key = hashlib.sha256(os.fsencode("\0".join((str(folder), target, board)))).hexdigest()[:12]
    return from_values(
        {
            "state": default_state(os.environ).with_name(f"mirror-{key}.db"),
            # No settings file leads anybody here, and a daemon's socket lies in the same folder.
            "socket": None,
            "log": {"level": "warning", "format": "console"},
            "servers": {"server": server},
            "mirrors": [
                {
                    "name": board,
                    "id": key,
                    "folder": folder,
                    "server": "server",
                    "board": board,
                    "direction": direction,
                }
            ],
        }
    )


async def _mirror(context: Context, settings: Settings, target: str, *, only_once: bool) -> int:
    async with opened(settings) as assembly:
        service = Service(assembly)
        stop_on_signals(service.stop)
        running = asyncio.create_task(service.run())
        telling = asyncio.create_task(_tell(context, assembly, target, only_once=only_once))
        await asyncio.wait({running, telling}, return_when=asyncio.FIRST_COMPLETED)
        service.stop()
        await running
        told = telling.done()
        if not told:
            telling.cancel()
            await asyncio.wait({telling})
        code = telling.result() if told else exits.OK
    click.echo("Stopped. Nothing is lost: the next start goes on from here.")
    return code


async def _tell(context: Context, assembly: Assembly, target: str, *, only_once: bool) -> int:
    """Say in plain words what the first pass did, then what happens as it happens."""
    settings = assembly.settings.mirrors[0]
    click.echo(f"Mirroring {printable(settings.folder)}")
    click.echo(f"     with board {settings.board!r} of {printable(target)}")
    async with following(assembly):
        results = [one.as_dict() for one in await once(assembly)]
    status = report.status(assembly.settings, assembly.state)
    _print_first_pass(results[0], status["mirrors"][0]["refusals"])
    if only_once:
        return passes.exit_code(results)
    into = printable(settings.folder / settings.pull.into)
    click.echo(
        "\nWatching. A picture dropped into the folder appears on the board;"
        f"\na picture put on the board appears in {into}."
        "\nCtrl-C stops."
    )
    context.configure_logging(assembly.settings, level="info")
    await asyncio.Event().wait()
    return exits.OK


def _print_first_pass(result: Mapping[str, Any], refusals: Sequence[Mapping[str, Any]]) -> None:
    there = max(0, result["synced"] - result["uploaded"] - result["downloaded"])
    refused = f", {result['refused']} refused" if result["refused"] else ""
    click.echo(
        f"Uploaded {result['uploaded']}, downloaded {result['downloaded']}, already there {there};"
        f" {result['synced']} in step{refused}."
    )
    for words in filter(None, (result["trouble"], *result["errors"])):
        click.echo(f"Waiting: {printable(words)}")
    for one in refusals:
        click.echo(f"Refused: {printable(one['path'])}: {printable(one['reason'])}")
