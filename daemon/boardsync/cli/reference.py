"""Writes the reference of the commands from the commands: `python -m boardsync.cli.reference`.

The reference is checked in, and `--check` tells whether it still says what `--help` says. It
is taken from what the commands declare, never from rendered help: that depends on the width
of a terminal.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping

import click

from boardsync.cli.exits import MEANINGS
from boardsync.cli.main import main as boardsync
from boardsync.telemetry.pages import write_or_compare

_BEGINNING = """\
# Commands

This page is generated from the commands: `make docs` writes it, `make check` compares it.

Every command has `--help` and tells there what is said here. Results go to standard output;
progress, questions and messages go to standard error, so that output can be piped.
"""


def reference(root: click.Command = boardsync, name: str = "boardsync") -> str:
    """Return the reference of a command and of all below it, in Markdown."""
    top = click.Context(root, info_name=name)
    pages = list(below(top))
    parts = [_BEGINNING, _page(top), _contents(pages)]
    parts += [_page(context) for context in pages]
    parts.append(_exit_codes(MEANINGS))
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Write the reference, or with `--check` only compare it; 1 means that it has drifted."""
    return write_or_compare(arguments, "the reference of the commands", reference())


def below(context: click.Context) -> Iterator[click.Context]:
    """Yield the commands below a group, each group before its own, hidden ones left out."""
    group = context.command
    if not isinstance(group, click.Group):
        return
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if command is not None and not command.hidden:
            inner = click.Context(command, info_name=name, parent=context)
            yield inner
            yield from below(inner)


def _contents(pages: list[click.Context]) -> str:
    lines = []
    for page in pages:
        link = page.command_path.replace(" ", "-").lower()
        depth = page.command_path.count(" ") - 1
        summary = page.command.get_short_help_str(limit=500)
        lines.append(f"{'  ' * depth}- [`{page.command_path}`](#{link}): {summary}")
    return "\n".join(lines) + "\n"


def _page(context: click.Context) -> str:
    """Describe one command: how it is called, what it does, what it takes."""
    usage = " ".join([context.command_path, *context.command.collect_usage_pieces(context)])
    level = "#" * (2 + max(0, context.command_path.count(" ") - 1))
    parts = [f"{level} {context.command_path}\n", f"```text\n{usage}\n```\n"]
    if context.command.help:
        parts.append(inspect.cleandoc(context.command.help).replace("\b\n", "") + "\n")
    rows = list(_option_rows(context))
    if rows:
        parts.append(_table(("option", "meaning"), rows))
    return "\n".join(parts)


def _option_rows(context: click.Context) -> Iterator[tuple[str, str]]:
    for parameter in context.command.params:
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            names, meaning = record
            yield f"`{names}`", " ".join(meaning.split())


def _exit_codes(meanings: Mapping[int, str]) -> str:
    rows = [(f"`{code}`", text) for code, text in meanings.items()]
    return "## Exit codes\n\n" + _table(("code", "meaning"), rows)


def _table(headings: tuple[str, str], rows: list[tuple[str, str]]) -> str:
    lines = [headings, ("---", "---"), *rows]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


if __name__ == "__main__":
    raise SystemExit(main())
