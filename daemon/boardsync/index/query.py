"""What somebody searches for, read from text: words, phrases and fields.

Pure. Nothing of a query ever becomes part of a statement: a search gets conditions, and binds what
they hold.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from boardsync.errors import QueryRefused

MOST_CHARACTERS: Final = 2000
MOST_TERMS: Final = 50
MOST_STARS: Final = 8
"""In a path: each may try every place in it."""

_NO_TEXT: Final = re.compile("[\0\ud800-\udbff\udc00-\udc7f]")
"""What neither text nor the bytes of a path can be. Bytes that are no UTF-8 come as others."""
_HEAD: Final = re.compile(r"(-?)(?:([A-Za-z_]+):)?")
_QUOTED: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(\*?)', re.DOTALL)
_BARE: Final = re.compile(r"\S*")
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
_SEEDS: Final = re.compile(r"(-?[0-9]{1,40})?(?:(\.\.)(-?[0-9]{1,40})?)?")
_SIZE: Final = re.compile(r"([0-9]{1,9})[xX\u00d7]([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class Words:
    """Words that follow one another in one of some texts. prefix: the last may go on."""

    columns: tuple[str, ...]
    text: str
    prefix: bool = False


@dataclass(frozen=True, slots=True)
class Seeds:
    """A seed from one number to another, both included. None: without an end."""

    lowest: int | None
    highest: int | None


@dataclass(frozen=True, slots=True)
class Size:
    """What was generated has this many pixels."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class InPath:
    """The path, from the folder on, holds these pieces one behind the other."""

    pieces: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OfMirror:
    """The folder is a mirror's, of this name in any case."""

    name: str


Condition = Words | Seeds | Size | InPath | OfMirror


@dataclass(frozen=True, slots=True)
class Term:
    """One condition. wanted: False finds what does not fulfil it. place: counts from 0."""

    condition: Condition
    wanted: bool = True
    place: int = 0


@dataclass(frozen=True, slots=True)
class _Value:
    """What stands behind a field, or alone. place: where it begins."""

    text: str
    quoted: bool
    star: bool
    place: int


WORD_FIELDS: Final[Mapping[str, tuple[str, ...]]] = {
    "prompt": ("prompt",),
    "negative": ("negative",),
    "model": ("model", "model_hash"),
    "lora": ("loras",),
    "software": ("software",),
    "sampler": ("sampler", "scheduler"),
}
"""Fields whose values are words, and the texts that they look into."""


def parse_query(text: str) -> tuple[Term, ...]:
    """Read a query: every term has to be fulfilled, so without any everything is found.

    Raises QueryRefused, with the place in its words.
    """
    if len(text) > MOST_CHARACTERS:
        raise _refused(f"longer than {MOST_CHARACTERS} characters", MOST_CHARACTERS)
    odd = _NO_TEXT.search(text)
    if odd is not None:
        raise _refused("this is no text", odd.start())
    terms: list[Term] = []
    place = _behind_blanks(text, 0)
    while place < len(text):
        if len(terms) == MOST_TERMS:
            raise _refused(f"more than {MOST_TERMS} terms", place)
        term, place = _term(text, place)
        terms.append(term)
        place = _behind_blanks(text, place)
    return tuple(terms)


def _term(text: str, place: int) -> tuple[Term, int]:
    head = _HEAD.match(text, place)
    assert head is not None  # noqa: S101 - it may be empty
    minus, field = head[1], head[2]
    value, end = _value(text, head.end())
    if field is None:
        condition: Condition = _words(("prompt",), value)
    else:
        condition = _condition(field, value, place + len(minus))
    return Term(condition, not minus, place), end


def _value(text: str, place: int) -> tuple[_Value, int]:
    if text.startswith('"', place):
        found = _QUOTED.match(text, place)
        if found is None:
            raise _refused("this quotation mark has no second one", place)
        end = found.end()
        if end < len(text) and not text[end].isspace():
            raise _refused("a blank is missing behind the quotation mark", end)
        return _Value(_ESCAPED.sub(r"\1", found[1]), True, bool(found[2]), place), end
    found = _BARE.match(text, place)
    assert found is not None  # noqa: S101 - it may be empty
    word = found[0]
    if '"' in word:
        raise _refused("a quotation mark stands inside of a word", place + word.index('"'))
    star = word.endswith("*")
    return _Value(word[:-1] if star else word, False, star, place), found.end()


def _condition(field: str, value: _Value, place: int) -> Condition:
    name = field.lower()
    if name in WORD_FIELDS:
        return _words(WORD_FIELDS[name], value)
    read = _READERS.get(name)
    if read is None:
        near = difflib.get_close_matches(name, FIELDS, n=1)
        meant = f"; did you mean {near[0]}:" if near else ""
        raise _refused(
            f"there is no field {field!r}, there are {', '.join(FIELDS)}{meant}; quote what is"
            f' meant as text: "{field}:..."',
            place,
        )
    return read(value)


def _words(columns: tuple[str, ...], value: _Value) -> Words:
    if not any(_is_searchable(letter) for letter in value.text):
        raise _refused("there is no letter and no digit to search for", value.place)
    if not value.quoted and "*" in value.text:
        place = value.place + value.text.index("*")
        raise _refused("a * stands for how a word goes on, so behind it", place)
    return Words(columns, _as_text(value.text), value.star)


def _as_text(value: str) -> str:
    """Return a value without bytes that are no UTF-8: only paths hold such."""
    return value.encode("utf-8", "replace").decode()


def _is_searchable(letter: str) -> bool:
    """Tell whether a character is part of words: a letter, a digit, or of private use."""
    category = unicodedata.category(letter)
    return category[0] in "LN" or category == "Co"


def _seeds(value: _Value) -> Seeds:
    found = None if value.quoted or value.star else _SEEDS.fullmatch(value.text)
    if found is None or (found[1] is None and found[3] is None):
        raise _refused("expected a seed such as 123, or 100..200, 100.., ..200", value.place)
    lowest = None if found[1] is None else int(found[1])
    if found[2] is None:
        return Seeds(lowest, lowest)
    highest = None if found[3] is None else int(found[3])
    if lowest is not None and highest is not None and lowest > highest:
        raise _refused(f"no seed is above {lowest} and below {highest}", value.place)
    return Seeds(lowest, highest)


def _size(value: _Value) -> Size:
    found = None if value.quoted or value.star else _SIZE.fullmatch(value.text)
    if found is None:
        raise _refused("expected a size such as 1024x768", value.place)
    return Size(int(found[1]), int(found[2]))


def _in_path(value: _Value) -> InPath:
    # A star at the end is one like the others: something may always follow.
    pieces = (value.text,) if value.quoted else tuple(value.text.split("*"))
    pieces = tuple(piece for piece in pieces if piece)
    if not pieces:
        raise _refused("expected a part of a path", value.place)
    if len(pieces) > MOST_STARS:
        raise _refused(f"more than {MOST_STARS} pieces of a path", value.place)
    return InPath(pieces)


def _of_mirror(value: _Value) -> OfMirror:
    if value.star or not value.text.strip():
        raise _refused("expected the name of a mirror", value.place)
    return OfMirror(_as_text(value.text))


_READERS: Final[Mapping[str, Callable[[_Value], Condition]]] = {
    "seed": _seeds,
    "size": _size,
    "path": _in_path,
    "mirror": _of_mirror,
}
FIELDS: Final = (*WORD_FIELDS, *_READERS)
"""The fields, as a query names them."""


def _behind_blanks(text: str, place: int) -> int:
    while place < len(text) and text[place].isspace():
        place += 1
    return place


def _refused(why: str, place: int) -> QueryRefused:
    return QueryRefused(f"the query, at character {place + 1}: {why}", place=place)
