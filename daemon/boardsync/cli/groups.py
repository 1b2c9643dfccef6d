"""`boardsync groups`: pictures whose seeds follow one another. Needs no settings."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.output import printable
from boardsync.metadata import Group, Picture
from boardsync.metadata import groups as groups_of


@click.command()
@click.argument("folder", type=click.Path())
@click.option("--recursive", is_flag=True, help="The directories below, too, each by itself.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print JSON: a list with an object per group."
)
@click.option("--names-only", is_flag=True, help="Read no file, only names: much quicker.")
@click.option("--no-pixels", is_flag=True, help="Do not look for texts that pixels hide: quicker.")
@exits.explained
def groups(folder: str, recursive: bool, as_json: bool, names_only: bool, no_pixels: bool) -> None:
    """Group the pictures in FOLDER by consecutive seeds.

    Pictures named {id}-{seed}.ext are taken in the order of their ids, the others behind them by
    name, with the seed that their generation data tells. A group goes on while each seed is the
    one before it plus one. Where name and data disagree it is told, and the name wins. A file
    that cannot be read is told and grouped by its name.
    """
    codes: list[int] = []
    unlisted: list[tuple[str, str]] = []
    found = groups_of(
        folder, recursive=recursive, data=not names_only, pixels=not no_pixels, unlisted=unlisted
    )
    watched = _watched(folder, found, codes)
    if as_json:
        _print_json(watched)
    else:
        _print_table(watched, recursive)
    for path, why in unlisted:
        codes.append(exits.FAILED)
        click.echo(f"boardsync: {printable(os.path.join(folder, path))}: {why}", err=True)
    sys.exit(min(codes, default=exits.OK))


def _watched(folder: str, found: Iterable[Group], codes: list[int]) -> Iterator[Group]:
    """Pass groups on; tell what is wrong with their pictures, and note the exit codes for it."""
    for group in found:
        yield group
        for picture in group.pictures:
            complaint = _complaint(picture)
            if complaint is not None:
                path = os.path.join(folder, group.directory, picture.name)
                click.echo(f"boardsync: {printable(path)}: {printable(complaint)}", err=True)
            if picture.error is not None:
                codes.append(exits.TRY_LATER if picture.try_again else exits.FAILED)


def _complaint(picture: Picture) -> str | None:
    if picture.error is not None:
        return picture.error
    if picture.other is not None:
        told, source = picture.other.value, picture.other.source
        return f"seed {picture.seed} by its name, {told} by its generation data ({source})"
    return None


def _print_table(found: Iterable[Group], recursive: bool) -> None:
    """Print a line for each group as it comes: there may be one for each of 100,000 files."""
    directory = None
    for group in found:
        if group.directory != directory:
            if recursive:
                click.echo(("" if directory is None else "\n") + printable(group.directory or "."))
            click.echo(_line("group", "first id", "count", "seeds", "names"))
            directory = group.directory
        names = ", ".join(printable(picture.name) for picture in group.pictures)
        first = "-" if group.id is None else group.id
        click.echo(_line(group.number, first, len(group.pictures), _seeds(group), names))
    if directory is None:
        click.echo("no pictures")


def _line(number: object, first: object, count: object, seeds: str, names: str) -> str:
    return f"{number:>6}  {first:>8}  {count:>6}  {seeds:<21}  {names}"


def _seeds(group: Group) -> str:
    if group.first_seed is None:
        return "-"
    if len(group.pictures) == 1:
        return str(group.first_seed)
    return f"{group.first_seed}-{group.last_seed}"


def _print_json(found: Iterable[Group]) -> None:
    """Print a list, one picture after the other: a single group may hold 100,000 of them."""
    separator = "[\n"
    for group in found:
        head = json.dumps(_head_as_json(group), indent=2, ensure_ascii=False)
        click.echo(separator + head.removesuffix("\n}"), nl=False)
        separator = ',\n  "pictures": [\n'
        for picture in group.pictures:
            record = json.dumps(_picture_as_json(picture), ensure_ascii=False)
            click.echo(f"{separator}    {record}", nl=False)
            separator = ",\n"
        click.echo("\n  ]\n}", nl=False)
    click.echo("[]" if separator == "[\n" else "\n]")


def _head_as_json(group: Group) -> dict[str, Any]:
    return {
        "directory": printable(group.directory),
        "group": group.number,
        "id": group.id,
        "count": len(group.pictures),
        "first_seed": group.first_seed,
        "last_seed": group.last_seed,
    }


def _picture_as_json(picture: Picture) -> dict[str, Any]:
    record: dict[str, Any] = {
        "name": printable(picture.name),
        "id": picture.id,
        "seed": picture.seed,
        "seed_source": picture.source,
    }
    if picture.other is not None:
        record["seed_of_data"] = {"value": picture.other.value, "source": picture.other.source}
    if picture.error is not None:
        record |= {"error": printable(picture.error), "try_again": picture.try_again}
    return record
