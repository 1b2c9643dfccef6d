"""`boardsync index`: brings the search index up to date. Needs no settings for a folder."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from boardsync.cli import exits
from boardsync.cli.access import Context, pass_context
from boardsync.cli.derived import Derived, derived, real
from boardsync.cli.output import print_json, print_table, printable
from boardsync.engine.mirror_rules import rules_of
from boardsync.errors import BoardsyncError, SettingsError
from boardsync.index import follow
from boardsync.index.database import Index, using
from boardsync.index.records import Place
from boardsync.index.refresh import Refreshed, refresh
from boardsync.local.ignore import Rules
from boardsync.local.root import read_ignore_file

PROGRESS_SECONDS = 0.5
KEYS = ("folder", "mirror", "pictures", "changed", "gone", "read", "failed", "seconds")


@click.command()
@click.argument("folders", metavar="[FOLDER...]", nargs=-1, type=click.Path())
@click.option("--forget", is_flag=True, help="Take FOLDER out of the index instead.")
@click.option("--no-pixels", is_flag=True, help="Do not look for texts that pixels hide: quicker.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list with an object a folder.")
@pass_context
@exits.explained
def index(
    context: Context, folders: tuple[str, ...], forget: bool, no_pixels: bool, as_json: bool
) -> None:
    """Bring the index that `boardsync find` looks into up to date.

    All mirrors of the settings, which a running daemon does by itself; or each FOLDER, also one
    that is no mirror's and without any settings. Only what is new or changed is opened.
    """
    found = derived(context)
    if forget:
        _forget(found, folders, as_json=as_json)
    roots = [real(folder) for folder in folders]
    told, codes = bring_up_to_date(found, roots, pixels=not no_pixels)
    if as_json:
        print_json(told)
    else:
        print_table(KEYS, [[one[key] for key in KEYS] for one in told])
    sys.exit(min(codes, default=exits.OK))


def bring_up_to_date(
    found: Derived, roots: Sequence[bytes], *, pixels: bool = True
) -> tuple[list[dict[str, Any]], list[int]]:
    """Bring folders up to date, all mirrors' without any; return what was done, and exit codes.

    What cannot be done is told on standard error, and the others are done all the same.
    """
    path = found.require_index()
    _require_folders(found, path, roots)
    wanted = [found.place(root) for root in roots or found.mirrors]
    if not wanted:
        raise SettingsError("there are no mirrors to index; name a folder: boardsync index FOLDER")
    if found.settings is not None:
        places = [found.place(root) for root in found.mirrors]
        using(path, lambda index: follow.forget_others(index, places))
    told, codes = [], list[int]()
    for place in wanted:
        began = time.monotonic()
        try:
            done = refresh(path, place, _rules(found, place), pixels=pixels, tell=_progress())
        except BoardsyncError as error:
            codes.append(exits.code_for(error))
            click.echo(f"boardsync: {printable(error)}", err=True)
            continue
        for where, why in done.unlisted:
            codes.append(exits.FAILED)
            below = place.root + b"/" + where
            click.echo(f"boardsync: {printable(below)}: {printable(why)}", err=True)
        told.append(_as_dict(place, done, time.monotonic() - began))
    return told, codes


def _require_folders(found: Derived, path: Path, roots: Sequence[bytes]) -> None:
    """Refuse what nobody can have meant; a folder that is known may be away."""
    odd = [root for root in roots if not os.path.isdir(root) and root not in found.mirrors]
    if odd and path.exists():
        known = using(path, lambda index: follow.roots(index).keys())
        odd = [root for root in odd if root not in known]
    if odd:
        words = "no folder" if os.path.lexists(odd[0]) else "there is no such folder"
        raise click.UsageError(f"{printable(odd[0])}: {words}; nothing was indexed")


def _rules(found: Derived, place: Place) -> Rules:
    mirror = found.mirrors.get(place.root)
    if mirror is None:
        return Rules(pull_into=None)
    return rules_of(mirror, read_ignore_file(place.root))


def _progress() -> Callable[[int], None]:
    """Return who tells on a terminal how many pictures were read."""
    last = time.monotonic()

    def tell(count: int) -> None:
        nonlocal last
        if sys.stderr.isatty() and time.monotonic() - last >= PROGRESS_SECONDS:
            last = time.monotonic()
            click.echo(f"\r{count} pictures read", nl=False, err=True)

    return tell


def _as_dict(place: Place, done: Refreshed, seconds: float) -> dict[str, Any]:
    return {
        "folder": printable(place.root),
        "mirror": place.mirror,
        "pictures": done.looked.files,
        "changed": done.looked.changed,
        "gone": done.looked.gone,
        "read": done.read.read,
        "failed": done.read.failed,
        "seconds": round(seconds, 3),
    }


def _forget(found: Derived, folders: Sequence[str], *, as_json: bool) -> NoReturn:
    if not folders:
        raise click.UsageError("--forget needs a FOLDER")
    path, roots = found.require_index(), [real(folder) for folder in folders]
    unknown = using(path, lambda index: _forget_all(index, roots)) if path.exists() else roots
    for root in unknown:
        click.echo(f"boardsync: {printable(root)}: not in the index", err=True)
    if as_json:
        print_json(
            [{"folder": printable(root), "forgotten": root not in unknown} for root in roots]
        )
    sys.exit(exits.FAILED if unknown else exits.OK)


def _forget_all(index: Index, roots: Sequence[bytes]) -> list[bytes]:
    """Forget folders; return those that are not known."""
    known = follow.roots(index)
    for root in roots:
        if root in known:
            follow.forget(index, known[root])
    return [root for root in roots if root not in known]
