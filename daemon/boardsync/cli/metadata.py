"""`boardsync metadata`: how pictures were generated. Needs no settings."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import click

from boardsync.cli import exits
from boardsync.cli.output import print_table, printable
from boardsync.cli.sidecars import write_sidecars
from boardsync.errors import BoardsyncError, TryAgain
from boardsync.metadata import GenerationData, Lora, read
from boardsync.picture.sidecar import as_record
from boardsync.plan.sidecars import Kind

_NAMES = {"negative_prompt": "negative prompt", "cfg": "CFG scale", "model_hash": "model hash"}


@click.command()
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path())
@click.option("--json", "as_json", is_flag=True, help="Print JSON: a list with an object per file.")
@click.option("--raw", is_flag=True, help="Print the texts as they were found; with --json, too.")
@click.option("--no-pixels", is_flag=True, help="Do not look for texts that pixels hide: quicker.")
@click.option(
    "--sidecar", type=click.Choice([one.value for one in Kind]),
    help="Write it beside each file instead: a.png.json or a.png.xmp.",
)  # fmt: skip
@exits.explained
def metadata(
    files: tuple[str, ...], as_json: bool, raw: bool, no_pixels: bool, sidecar: str | None
) -> None:
    """Tell how pictures were generated: prompt, seed, model, and where each is told.

    Reads what AUTOMATIC1111, Forge, ComfyUI, InvokeAI, Fooocus, NovelAI, SwarmUI and others
    write into PNG, JPEG, WebP, AVIF, HEIC and TIFF. A file that cannot be read is told, and the
    others are read all the same. With --sidecar a file that is there and is no sidecar of ours, or
    one that somebody has edited, is left alone and told.
    """
    codes: list[int] = []
    if sidecar is not None:
        if raw:
            raise click.UsageError("--raw prints texts, and --sidecar writes none of them.")
        write_sidecars(files, Kind(sidecar), codes, pixels=not no_pixels, as_json=as_json)
        sys.exit(min((code for code in codes if code), default=exits.OK))
    results = _results(files, codes, pixels=not no_pixels)
    if as_json:
        _print_json(results, raw)
    else:
        for path, result in results:
            _print(path, result, raw)
    sys.exit(min((code for code in codes if code), default=exits.OK))


def _results(
    files: tuple[str, ...], codes: list[int], *, pixels: bool
) -> Iterator[tuple[str, GenerationData | BoardsyncError]]:
    """Read one file after the other, and note the exit code that each asks for."""
    for path in files:
        try:
            yield path, read(path, pixels=pixels)
        except BoardsyncError as error:
            codes.append(exits.code_for(error))
            yield path, error


def _print(path: str, result: GenerationData | BoardsyncError, raw: bool) -> None:
    if isinstance(result, BoardsyncError):
        click.echo(f"boardsync: {_complaint(path, result)}", err=True)
        return
    click.echo(printable(path))
    if raw:
        for text in result.texts:
            click.echo(f"--- {printable(text.source)}")
            for line in text.value.splitlines():
                click.echo(printable(line))
    elif result.found:
        print_table(("field", "value", "source"), _rows(result))
    else:
        click.echo("no generation data")
    for trouble in result.troubles:
        click.echo(f"boardsync: {printable(path)}: {printable(trouble)}", err=True)
    click.echo()


def _complaint(path: str, error: BoardsyncError) -> str:
    words = str(error)
    return printable(words if words.startswith(path) else f"{path}: {words}")


def _rows(data: GenerationData) -> Iterator[tuple[str, Any, str]]:
    for name, told in data.told():
        yield _NAMES.get(name, name), told.value, told.source
    for lora in data.loras:
        yield "LoRA", _lora_words(lora.value), lora.source
    for name, more in data.more:
        yield name, more.value, more.source


def _lora_words(lora: Lora) -> str:
    parts = [lora.name]
    if lora.weight is not None:
        parts.append(f"weight {lora.weight:g}")
    if lora.hash is not None:
        parts.append(f"hash {lora.hash}")
    return ", ".join(parts)


def _print_json(results: Iterator[tuple[str, GenerationData | BoardsyncError]], raw: bool) -> None:
    """Print a list, one object after the other: texts are large, and files may be many."""
    separator = "[\n"
    for path, result in results:
        record: dict[str, Any] = {"file": printable(path)}
        if isinstance(result, BoardsyncError):
            record |= {"error": printable(str(result)), "try_again": isinstance(result, TryAgain)}
            click.echo(f"boardsync: {_complaint(path, result)}", err=True)
        else:
            record |= as_record(result, raw=raw)
        click.echo(separator + json.dumps(record, indent=2, ensure_ascii=False), nl=False)
        separator = ",\n"
    click.echo("\n]")
