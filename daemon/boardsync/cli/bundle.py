"""The command that gathers what somebody who helps needs to see."""

from __future__ import annotations

import asyncio
import io
import os
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, daemon_request, pass_context
from boardsync.cli.output import printable
from boardsync.errors import BoardsyncError, NeedsPerson

if TYPE_CHECKING:
    from boardsync.config.model import Settings

FOLDER = "boardsync-bundle"


@click.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--no-names", is_flag=True, help="Put hashes in the place of paths and names.")
@pass_context
@exits.explained
def bundle(context: Context, file: Path | None, no_names: bool) -> None:
    """Gather versions, settings, status, doctor's findings and last log lines in FILE (.tar.gz).

    Passwords and logins are never in it. Look at it all the same before you give it away: with
    --no-names there are neither paths nor names in it.
    """
    from boardsync.engine.bundle import finished, hide_all

    settings = context.settings()
    target = file or Path(f"{FOLDER}-{time.strftime('%Y%m%d-%H%M%S')}.tar.gz")
    hide_all(settings)
    members = finished(_gather(settings), names=not no_names)
    _write(target, members)
    click.echo(f"{printable(target)}: {', '.join(sorted(members))}")


def _gather(settings: Settings) -> dict[str, Any]:
    """Gather everything that can be had; what cannot says why in its place."""
    from boardsync.cli.looking import from_state
    from boardsync.engine import bundle as parts
    from boardsync.engine import report
    from boardsync.engine.doctor import examine
    from boardsync.engine.process_facts import process_facts, unit_facts
    from boardsync.state.upgrade import revision_of

    def told(path: str) -> Any:
        return _try(lambda: daemon_request(settings, "GET", path))

    version, own = told("/version"), told("/bundle") or {}
    pid = version.get("pid") if version else None
    status = own.get("status") or _try(
        lambda: from_state(settings, lambda state: report.status(settings, state))
    )
    members = {
        "versions.json": _try(lambda: parts.versions(settings, revision_of(settings.state))),
        "settings.json": parts.settings_values(settings),
        "status.json": status,
        "doctor.json": _try(lambda: asyncio.run(examine(settings)).as_dict()),
        "tables.json": _try(lambda: from_state(settings, parts.table_counts)),
        "log.json": parts.log_entries(own["log"]) if "log" in own else own,
    }
    if pid is not None:
        members["process.json"] = process_facts(pid)
        members["unit.json"] = unit_facts(pid)
    return members


def _try(work: Callable[[], Any]) -> Any:
    try:
        return work()
    except (BoardsyncError, OSError) as error:
        return {"failed": str(error)}


def _write(target: Path, members: Mapping[str, bytes]) -> None:
    """Write the archive for its owner alone; never over a file. Raises NeedsPerson."""

    def opener(path: str, flags: int) -> int:
        return os.open(path, flags, 0o600)

    try:
        with (
            open(target, "xb", opener=opener) as stream,
            tarfile.open(fileobj=stream, mode="w:gz") as archive,
        ):
            for name, content in sorted(members.items()):
                told = tarfile.TarInfo(f"{FOLDER}/{name}")
                told.size, told.mtime, told.mode = len(content), int(time.time()), 0o600
                archive.addfile(told, io.BytesIO(content))
    except OSError as error:
        raise NeedsPerson(f"{target}: cannot be written: {error.strerror or error}") from error
