"""`boardsync mirror`: the whole thing without a settings file."""

from __future__ import annotations

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, pass_context
from boardsync.cli.progress import following
from boardsync.config.model import Settings
from boardsync.config.values import from_values
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
        Path(target).mkdir(parents=True, exist_ok=True)
    settings = _settings(folder.resolve(), target, board or folder.resolve().name, direction)
    context.configure_logging(settings)
    code = asyncio.run(_mirror(context, settings, target, only_once=only_once))
    raise SystemExit(code)


def _make_samples(folder: Path) -> None:
    if folder.exists():
        return
    folder.mkdir(parents=True)
    for name, content in sample_pictures().items():
        (folder / name).write_bytes(content)
    click.echo(f"Made {folder.resolve()} with {len(list(folder.iterdir()))} sample pictures.")


def _settings(folder: Path, target: str, board: str, direction: str) -> Settings:
    """Build settings whose state is found again by the same folder, server and board."""
    if "://" in target:
        server: dict[str, Any] = {"kind": "invokeai", "url": target}
    else:
        server = {"kind": "directory", "path": str(Path(target).resolve())}
        target = server["path"]
    key = hashlib.sha256("\0".join((str(folder), target, board)).encode()).hexdigest()[:12]
    home = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return from_values(
        {
            "state": str(home / "boardsync" / f"mirror-{key}.db"),
            "log": {"level": "warning", "format": "console"},
            "servers": {"server": server},
            "mirrors": [
                {
                    "name": board,
                    "id": key,
                    "folder": str(folder),
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
        async with context.wiring.serving(service, settings.socket):
            running = asyncio.create_task(service.run())
            watcher = asyncio.create_task(_tell(context, assembly, target, only_once=only_once))
            await asyncio.wait({running, watcher}, return_when=asyncio.FIRST_COMPLETED)
            code = exits.OK
            if watcher.done():
                code = watcher.result()
                service.stop()
            else:
                watcher.cancel()
            await running
    click.echo("Stopped. Nothing is lost: the next start goes on from here.")
    return code


async def _tell(context: Context, assembly: Assembly, target: str, *, only_once: bool) -> int:
    """Say in plain words what the first pass did, then what happens as it happens."""
    settings = assembly.settings.mirrors[0]
    click.echo(f"Mirroring {settings.folder}\n     with board {settings.board!r} of {target}")
    async with following(assembly):
        result = (await once(assembly))[0]
    click.echo(
        f"Uploaded {result.uploaded}, downloaded {result.downloaded}, already there"
        f" {result.synced - result.uploaded - result.downloaded}; {result.synced} in step."
    )
    if result.trouble:
        click.echo(f"Waiting: {result.trouble}")
    for error in result.errors:
        click.echo(f"Waiting: {error}")
    if only_once:
        return exits.OK if result.good else exits.FAILED
    click.echo(
        "\nWatching. A picture dropped into the folder appears on the board;"
        f"\na picture put on the board appears in {settings.folder / settings.pull.into}."
        "\nCtrl-C stops."
    )
    context.configure_logging(assembly.settings, level="info")
    await asyncio.Event().wait()
    return exits.OK
