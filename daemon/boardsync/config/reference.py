"""Writes the reference of the settings from their model: `python -m boardsync.config.reference`.

The reference is checked in, and `--check` tells whether it still says what the model says.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from boardsync.config import shapes
from boardsync.config.model import Secret, Settings
from boardsync.telemetry.pages import write_or_compare

_BEGINNING = """\
# Settings

This page is generated from the settings' model: `make docs` writes it, `make check` compares it.

All settings are in one YAML file. boardsync takes the file named with `-c`, or else the one in
`$BOARDSYNC_CONFIG`, or else the first of these that exists:

1. `$XDG_CONFIG_HOME/boardsync/config.yaml` (`~/.config/boardsync/config.yaml`)
2. `/etc/boardsync/config.yaml`

`config.example.yaml` shows every setting in its place. Unknown settings, settings given twice,
bad values and values that do not go together are refused at start, all of them at once, each
with its file, line and column.

- **Durations** are written `500 ms`, `2 s`, `15 min`, `1 h`, `1 d`, `1h 30min`, or as seconds.
- **Sizes** are written `500 kB`, `512 MiB`, `1.5 GB`, or as bytes; **rates** have `/s` behind.
- **Paths** may begin with `~`; relative ones begin at the settings file.
- **Rules** are written as in `.gitignore`.
"""
_SECRETS = """\
## Secrets

A secret is never written into the settings. They say where it is kept, in exactly one of three
ways, and it is read when it is needed. A file that every user of the machine can read is warned
of. Secrets that were read are taken out of the log.
"""


def reference() -> str:
    """Return the reference, in Markdown."""
    parts = [_BEGINNING]
    parts.extend(_sections(Settings, "", "At the top"))
    parts.append(_SECRETS)
    parts.append(_table(Secret))
    return "\n".join(parts)


def main(arguments: list[str] | None = None) -> int:
    """Write the reference, or with `--check` only compare it; 1 means that it has drifted."""
    return write_or_compare(arguments, "the reference of the settings", reference())


def _sections(model: type[BaseModel], key: str, title: str) -> Iterator[str]:
    """Yield a section's heading, words and table, then those of the sections in it."""
    yield f"## {title}\n"
    if key:
        yield f"{model.__doc__}\n"
    yield _table(model)
    for name, field in model.model_fields.items():
        inner = f"{key}.{name}" if key else name
        yield from _inner_sections(shapes.of_field(field), inner)


def _inner_sections(wanted: shapes.Type, key: str) -> Iterator[str]:
    container = get_origin(wanted.inner)
    if container in (dict, list):
        key += ".NAME" if container is dict else "[]"
        wanted = shapes.unwrap(get_args(wanted.inner)[-1])
    for model in wanted.models:
        if model is Secret:
            continue
        kind = f" with `kind: {shapes.kind_of(model)}`" if len(wanted.models) > 1 else ""
        yield from _sections(model, key, f"`{key}`{kind}")


def _table(model: type[BaseModel]) -> str:
    rows = ["| setting | type | default | meaning |", "|---|---|---|---|"]
    fields = sorted(model.model_fields.items(), key=lambda item: not item[1].is_required())
    rows += [_row(name, field) for name, field in fields]
    return "\n".join(rows) + "\n"


def _row(name: str, field: FieldInfo) -> str:
    wanted = shapes.of_field(field)
    cells = (f"`{name}`", wanted.noun, _default(field, wanted), field.description or "")
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _default(field: FieldInfo, wanted: shapes.Type) -> str:
    """Return a field's default as one writes it in the settings."""
    if field.is_required():
        return "required"
    if isinstance(field.json_schema_extra, dict) and "default_in_words" in field.json_schema_extra:
        return str(field.json_schema_extra["default_in_words"])
    if isinstance(field.default, BaseModel):
        return "see below"
    return f"`{_written(field.default, wanted)}`"


def _written(value: Any, wanted: shapes.Type) -> str:
    if value is None:
        return "null"
    if wanted.words is not None:
        return wanted.words.write(value)
    if isinstance(value, list):
        return f"[{', '.join(value)}]"
    return "{}" if value == {} else str(value)


if __name__ == "__main__":
    raise SystemExit(main())
