"""The commands for the state file as a whole: backup and restore-state."""

from __future__ import annotations

from pathlib import Path

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, pass_context
from boardsync.cli.output import print_json, printable, size

FILE = click.argument("file", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.command()
@FILE
@JSON
@pass_context
@exits.explained
def backup(context: Context, file: Path, as_json: bool) -> None:
    """Copy the state to FILE, also while the daemon runs.

    An older backup of that name is replaced; any other file is not.
    """
    from boardsync.state.backups import take_backup

    settings, target = context.settings(), file.absolute()
    taken = take_backup(settings.state, target)
    if as_json:
        print_json({"file": str(target), "bytes": taken})
    else:
        click.echo(f"{printable(target)}: {size(taken)}, intact")


@click.command("restore-state")
@FILE
@JSON
@pass_context
@exits.explained
def restore_state(context: Context, file: Path, as_json: bool) -> None:
    """Put the backup FILE in the place of the state; stop the daemon first.

    The present state is kept beside it under another name. What happened since the backup is
    found again on both sides at the next run: nothing is sent or fetched twice.
    """
    from boardsync.state.backups import restore_backup

    settings = context.settings()
    done = restore_backup(settings.state, file.absolute())
    if as_json:
        print_json({"state": str(settings.state), "schema": done.schema,
                    "kept": None if done.kept is None else str(done.kept)})  # fmt: skip
        return
    click.echo(f"{printable(settings.state)}: restored (schema {done.schema})")
    if done.kept is not None:
        click.echo(f"the state that was there is kept as {printable(done.kept)}")
