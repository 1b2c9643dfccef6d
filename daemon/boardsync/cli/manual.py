"""Writes the man page from the commands: `python -m boardsync.cli.manual docs/boardsync.1`.

It says what `--help` says, of all commands in one page, so that `man boardsync` answers offline.
It is checked in, so that a wheel is built without running what is in it; `--check` compares.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from boardsync import __version__
from boardsync.cli.exits import MEANINGS
from boardsync.cli.main import main as boardsync
from boardsync.cli.reference import below
from boardsync.telemetry.pages import write_or_compare

_FILES = (
    ("~/.config/boardsync/config.yaml", "settings of a person"),
    ("/etc/boardsync/config.yaml", "settings of the system service"),
    ("/etc/boardsync/NAME.yaml", "settings of the instance boardsync@NAME"),
    ("~/.local/state/boardsync/state.db", "what was sent and fetched; do not lose it"),
    ("/var/lib/boardsync/state.db", "the same, of the system service"),
)


def manual(root: click.Command = boardsync, name: str = "boardsync") -> str:
    """Return the man page of a command and of all below it."""
    top = click.Context(root, info_name=name)
    pages = list(below(top))
    lines = [
        f'.TH {name.upper()} 1 "" "{name} {__version__}" "User Commands"',
        ".SH NAME", f"{name} \\- {_text(root.get_short_help_str(200)).rstrip('.')}",
        ".SH SYNOPSIS", f".B {name}", _text(" ".join(root.collect_usage_pieces(top))),
        ".SH DESCRIPTION", *_paragraphs(root.help or ""),
        ".SH OPTIONS", *_options(top),
        ".SH COMMANDS",
    ]  # fmt: skip
    for page in pages:
        usage = " ".join([page.command_path, *page.command.collect_usage_pieces(page)])
        lines += [f".SS {_text(usage)}", *_paragraphs(page.command.help or ""), *_options(page)]
    lines += [".SH EXIT STATUS", *_terms((str(code), text) for code, text in MEANINGS.items())]
    lines += [".SH FILES", *_terms(iter(_FILES))]
    return "\n".join(lines) + "\n"


def main(arguments: list[str] | None = None) -> int:
    """Write the man page, or with `--check` only compare it; 1 means that it has drifted."""
    return write_or_compare(arguments, "the man page", manual())


def _paragraphs(help_text: str) -> Iterator[str]:
    """Yield a docstring's paragraphs; one that click does not fold keeps its lines."""
    for paragraph in inspect.cleandoc(help_text).split("\n\n"):
        yield ".PP"
        if paragraph.startswith("\b\n"):
            yield from (".nf", *map(_text, paragraph.splitlines()[1:]), ".fi")
        else:
            yield _text(" ".join(paragraph.split()))


def _options(context: click.Context) -> Iterator[str]:
    records = (
        parameter.get_help_record(context)
        for parameter in context.command.params
        if isinstance(parameter, click.Option)
    )
    yield from _terms(
        (names, " ".join(meaning.split())) for names, meaning in filter(None, records)
    )


def _terms(pairs: Iterator[tuple[str, str]]) -> Iterator[str]:
    for term, meaning in pairs:
        yield from (".TP", f".B {_text(term)}", _text(meaning))


def _text(words: str) -> str:
    """Write a line so that roff takes nothing in it for a request."""
    line = words.replace("\\", "\\e").replace("-", "\\-")
    return f"\\&{line}" if line.startswith((".", "'")) else line


if __name__ == "__main__":
    raise SystemExit(main())
