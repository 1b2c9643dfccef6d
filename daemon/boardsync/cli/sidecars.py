"""Writing sidecars of files that a person names."""

from __future__ import annotations

import os
from collections.abc import Sequence

import click

from boardsync.cli import exits
from boardsync.cli.output import print_json, printable
from boardsync.errors import BoardsyncError, FolderAway
from boardsync.files.durable import temp_path
from boardsync.files.sidecars import Written, read_sidecar, write_sidecar
from boardsync.files.snapshot import digest_file
from boardsync.metadata import read
from boardsync.picture.sidecar import Facts, facts_in, sidecar
from boardsync.plan.sidecars import Kind, sidecar_of


def write_sidecars(
    files: Sequence[str], kind: Kind, codes: list[int], *, pixels: bool, as_json: bool
) -> None:
    """Write a sidecar beside each file, and note the exit code that each asks for."""
    told = []
    for path in files:
        target = os.fsdecode(sidecar_of(os.fsencode(path), kind))
        try:
            outcome = _write(path, target, kind, pixels)
        except BoardsyncError as error:
            codes.append(exits.code_for(error))
            words = printable(str(error).removeprefix(f"{path}: "))
            click.echo(f"boardsync: {printable(path)}: {words}", err=True)
            told.append({"file": printable(path), "error": words})
            continue
        if outcome is Written.NOT_OURS:
            codes.append(exits.FAILED)
            words = "another file is there, or somebody has edited it: it is left alone"
            click.echo(f"boardsync: {printable(target)}: {words}", err=True)
        elif not as_json:
            click.echo(f"{printable(target)}: {outcome.value}")
        told.append(
            {"file": printable(path), "sidecar": printable(target), "outcome": outcome.value}
        )
    if as_json:
        print_json(told)


def _write(path: str, target: str, kind: Kind, pixels: bool) -> Written:
    """Write one. Where a picture was pulled from is kept when its old sidecar told it."""
    data = read(path, pixels=pixels)
    digest, _ = digest_file(os.path.realpath(path))
    there = read_sidecar(target)
    facts = Facts() if there is None else facts_in(kind, there, digest)
    place = os.fsencode(target)
    try:
        return write_sidecar(
            place, sidecar(kind, data, digest, facts), temp_path(os.path.dirname(place))
        )
    except OSError as error:
        raise FolderAway(f"{target}: cannot be written: {error.strerror or error}") from error
