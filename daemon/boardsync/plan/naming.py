"""Names of pulled files by a template, such as `{date:%Y-%m}/{board}-{seed}-{prompt:5}`.

A template is read once and refused where it could ever give a path that is no safe one. What it
gives lies below the folder that pulled files go to, whatever the values are.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from boardsync.plan.names import safe_name, split_extension

COUNTER: Final = "counter"
FIELDS: Final = ("date", "board", "item", "prompt", "seed", "model", "size", COUNTER)
GENERATED: Final = frozenset({"prompt", "seed", "model"})
"""Those that are read from the picture itself."""
ALWAYS_TOLD: Final = frozenset({"board", "item", COUNTER})
UNKNOWN: Final = "unknown"
NAME_BYTES: Final = 240
"""Less than filesystems take: a number, or a sidecar's extension, may come behind it."""
VALUE_BYTES: Final = (100, 50, 25, 12, 6)
"""To what values are shortened, one after the other, until the name is short enough."""
MOST_FOLDERS: Final = 8
MOST_FIELDS: Final = 8
LITERAL_BYTES: Final = 64
"""Of one name: with fields of the shortest values it fits in any case."""

_PIECE: Final = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_DATE: Final = "%Y-%m-%d"
_ANY_LENGTH: Final = 1 << 20
_DIRECTIVE: Final = re.compile(r"%(.?)", re.DOTALL)
_DIRECTIVES: Final = "YymdHMSjVGu%"
"""Those that mean the same everywhere; names of months and days are of a language."""
_NO_TEXT: Final = re.compile("[\0-\x1f\x7f\ud800-\udfff]")
"""What no date can be written with."""
_NUMBER: Final = re.compile(r"[1-9]\Z|1[0-9]\Z|20\Z")
_TAG: Final = re.compile(r"<[^<>]*>")
_WEIGHT: Final = re.compile(r":\s*[+-]?[0-9.]+\s*(?=[)\]])")
_WORD: Final = re.compile(r"\w+(?:['\N{RIGHT SINGLE QUOTATION MARK}-]\w+)*")
_LONGEST_WORD: Final = 40
_WEIGHTS_FILE: Final = re.compile(r"\.(?:safetensors|ckpt|gguf|sft|bin|pth?)\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Values:
    """What is known of a picture; None is what nobody tells. made: in the zone to be shown."""

    made: datetime | None = None
    board: str | None = None
    item: str | None = None
    prompt: str | None = None
    seed: int | None = None
    model: str | None = None
    width: int | None = None
    height: int | None = None


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a template. form: what stands behind the colon. missing: said for no value."""

    name: str
    form: str
    missing: str

    def of(self, values: Values, counter: int, limit: int) -> str:
        """Return its text, not yet safe, in at most so many bytes unless it is the counter."""
        if self.name == COUNTER:
            return str(counter).zfill(int(self.form or 1))
        return _cut(_READ[self.name](values, self.form) or self.missing, limit)


Part = str | Field


@dataclass(frozen=True, slots=True)
class Template:
    """A checked template: folders, then a name without its extension."""

    text: str
    components: tuple[tuple[Part, ...], ...]

    @property
    def fields(self) -> frozenset[str]:
        """The names of the fields in it."""
        return frozenset(
            part.name for one in self.components for part in one if isinstance(part, Field)
        )

    @property
    def counts(self) -> bool:
        """Whether it numbers by itself, so that nothing has to be put behind a name."""
        return COUNTER in self.fields

    def path(self, values: Values, extension: str, counter: int = 1) -> str:
        """Return the path of a picture, relative, with `/`; each part is safe to write.

        extension: with its dot, of the picture's bytes.
        """
        *folders, name = self.components
        made = [_joined(one, values, counter, "") for one in folders]
        return "/".join([*made, _joined(name, values, counter, extension)])


def parse(text: str) -> Template:
    """Read a template. Raises ValueError, which says what is wrong and at which character."""
    components: list[list[Part]] = [[]]
    end = 0
    for match in _PIECE.finditer(text):
        _add_literal(components, text[end : match.start()], end)
        end = match.end()
        if match[0] in ("{{", "}}"):
            components[-1].append(match[0][0])
        elif match[1] is None:
            raise ValueError(f"the brace at character {match.start() + 1} has no other one")
        else:
            components[-1].append(_field(match[1], match.start() + 1))
    _add_literal(components, text[end:], end)
    _require_names(components)
    return Template(text, tuple(tuple(one) for one in components))


def _add_literal(components: list[list[Part]], literal: str, start: int) -> None:
    """Add text that stands between fields; a slash begins the next component."""
    for number, piece in enumerate(literal.split("/")):
        if number:
            components.append([])
        # What may stand at the ends of a component is looked at when all of it is known.
        if piece and safe_name(f"x{piece}x") != f"x{piece}x":
            raise ValueError(
                f"{piece!r} at character {start + 1} holds what is not safe in the name of a file"
            )
        if piece:
            components[-1].append(piece)
        start += len(piece) + 1


def _require_names(components: list[list[Part]]) -> None:
    if len(components) > MOST_FOLDERS + 1:
        raise ValueError(f"it makes more than {MOST_FOLDERS} folders inside each other")
    for parts in components:
        if not parts:
            raise ValueError("a folder or the name is empty; write no slash at the start or end")
        if isinstance(parts[0], str) and parts[0].startswith((".", "~", " ")):
            raise ValueError(f"{parts[0]!r} at the start of a name would hide it")
        fixed = [part for part in parts if isinstance(part, str)]
        if len(parts) - len(fixed) > MOST_FIELDS or len("".join(fixed).encode()) > LITERAL_BYTES:
            raise ValueError(
                f"one name holds {MOST_FIELDS} fields and {LITERAL_BYTES} bytes of text at most"
            )
        plain = "".join(part if isinstance(part, str) else "x" for part in parts)
        if safe_name(plain) != plain:
            raise ValueError(f"{plain!r} is no safe name of a file or folder")


def _field(text: str, at: int) -> Field:
    inner, bar, missing = text.partition("|")
    name, colon, form = inner.partition(":")
    if name not in FIELDS:
        near = difflib.get_close_matches(name.lower(), FIELDS, n=1)
        hint = f"did you mean {{{near[0]}}}?" if near else f"there are {', '.join(FIELDS)}"
        raise ValueError(f"there is no field {{{name}}} (character {at}); {hint}")
    if colon:
        _require_form(name, form, at)
    if bar and (name in ALWAYS_TOLD or _is_unsafe(missing)):
        raise ValueError(
            f"{{{text}}} (character {at}): behind | stands the word for a value that is missing, "
            "which date, prompt, seed, model and size can be; it has to be safe in a name"
        )
    return Field(name, form, missing if bar else UNKNOWN)


def _is_unsafe(missing: str) -> bool:
    return "/" in missing or (missing != "" and safe_name(missing) != missing)


def _require_form(name: str, form: str, at: int) -> None:
    if name == "date":
        odd = [one for one in _DIRECTIVE.findall(form) if one not in tuple(_DIRECTIVES)]
        known = " ".join(f"%{one}" for one in _DIRECTIVES)
        if odd or "%" not in form:
            raise ValueError(f"{{date:{form}}} (character {at}) may hold {known}, and text")
        if _NO_TEXT.search(form):
            raise ValueError(f"{{date:...}} (character {at}) holds what is no text")
        if "/" in form:
            raise ValueError(f"{{date:{form}}} (character {at}): write / between two fields")
    elif name == "size" or not _NUMBER.match(form):
        allowed = "nothing" if name == "size" else "a number from 1 to 20"
        raise ValueError(f"{{{name}:{form}}} (character {at}): behind : stands {allowed}")


def _joined(parts: tuple[Part, ...], values: Values, counter: int, extension: str) -> str:
    """Return one name, safe, with the extension behind it."""
    name, room = "", NAME_BYTES - len(extension)
    for limit in VALUE_BYTES:
        texts = (one if isinstance(one, str) else one.of(values, counter, limit) for one in parts)
        # A slash in a value is no folder: prompts and models hold them.
        name = safe_name("".join(text.replace("/", "_") for text in texts), _ANY_LENGTH)
        if len(name.encode()) <= room:
            break
    # The extension is judged along: a name may end in a dot before it, and look like another.
    return safe_name(safe_name(name, room) + extension, NAME_BYTES)


def _cut(text: str, limit: int) -> str:
    return text.encode("utf-8", "replace")[:limit].decode("utf-8", "ignore").strip()


def _date(values: Values, form: str) -> str | None:
    return None if values.made is None else values.made.strftime(form or _DATE)


def _letters(text: str | None, form: str) -> str | None:
    return text and (text[: int(form)] if form else text)


def _board(values: Values, form: str) -> str | None:
    return _letters(values.board, form)


def _item(values: Values, form: str) -> str | None:
    return _letters(split_extension(values.item or "")[0], form)


def _prompt(values: Values, form: str) -> str | None:
    """Return the first words of a prompt, without weights and tags."""
    plain = _WEIGHT.sub("", _TAG.sub(" ", unicodedata.normalize("NFC", values.prompt or "")))
    words = [found[0][:_LONGEST_WORD] for found in _WORD.finditer(plain)]
    return "-".join(words[: int(form or 8)])


def _seed(values: Values, form: str) -> str | None:
    return None if values.seed is None else str(values.seed).zfill(int(form or 1))


def _model(values: Values, form: str) -> str | None:
    name = re.split(r"[/\\]", values.model or "")[-1]
    return _letters(_WEIGHTS_FILE.sub("", name), form)


def _size(values: Values, _form: str) -> str | None:
    known = values.width and values.height
    return f"{values.width}x{values.height}" if known else None


_READ: Final[Mapping[str, Callable[[Values, str], str | None]]] = {
    "date": _date,
    "board": _board,
    "item": _item,
    "prompt": _prompt,
    "seed": _seed,
    "model": _model,
    "size": _size,
}
