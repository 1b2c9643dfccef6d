"""Reads YAML into plain data, and remembers where each key and value stands.

The nodes are turned into data here rather than by the library's constructor, so that every
duplicate key is found and not only the first, and so that dates stay text: a board may be
called 2026-01-31.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from boardsync.config.problems import Location, Problem

_STANDARD = "tag:yaml.org,2002:"
_CONVERTED = tuple(_STANDARD + kind for kind in ("null", "bool", "int", "float"))
_NAMES = re.compile(r"\b(alias|anchor|handle) '[^']*'")
_Pair = tuple[Node, Node]
_MERGE = f"{_STANDARD}merge"


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file, counted from one."""

    line: int
    column: int


@dataclass(slots=True)
class Document:
    """The data of a file, the places it came from, and what is wrong with its form."""

    data: object = None
    problems: list[Problem] = field(default_factory=list)
    keys: dict[Location, Position] = field(default_factory=dict)
    values: dict[Location, Position] = field(default_factory=dict)

    def position(self, problem: Problem) -> Position:
        """Return where a problem stands; for what is not written, where it would belong."""
        if problem.position is not None:
            return Position(*problem.position)
        if problem.on_key and problem.location in self.keys:
            return self.keys[problem.location]
        location = problem.location
        while location and location not in self.values:
            location = location[:-1]
        return self.values.get(location, Position(1, 1))


def parse(text: str) -> Document:
    """Read a document. Bad YAML is a problem of the document, never an exception."""
    yaml = YAML(typ="safe", pure=True)
    document = Document()
    try:
        root = yaml.compose(text)
    except MarkedYAMLError as error:
        document.problems.append(_syntax_problem(error))
    except (YAMLError, ValueError, OverflowError, RecursionError) as error:
        # Only the first line: the others quote the file, which may hold a secret.
        document.problems.append(Problem((), f"not YAML: {str(error).splitlines()[0]}"))
    else:
        if root is not None:
            builder = _Builder(document, yaml.constructor.construct_object)
            document.data = builder.build(root, ())
    return document


def _syntax_problem(error: MarkedYAMLError) -> Problem:
    """Say what is wrong without the library's excerpt and names: they may hold a secret."""
    mark = error.problem_mark or error.context_mark
    found = _NAMES.sub(r"\1", error.problem or error.context or "it cannot be read")
    if "\\t" in found:
        found += "; expected spaces where there is a tab"
    place = (mark.line + 1, mark.column + 1) if mark is not None else None
    return Problem((), f"not YAML: {found}", position=place)


class _Builder:
    """Turns nodes into data, noting places and problems in the document."""

    def __init__(self, document: Document, convert: Callable[[Node], object]) -> None:
        self._document = document
        self._convert = convert
        self._open: list[Node] = []

    def build(self, node: Node, location: Location) -> object:
        self._document.values.setdefault(location, _start(node))
        if any(node is outer for outer in self._open):
            self._complain(node, location, "an alias of something it is part of; expected a value")
            return None
        self._open.append(node)
        try:
            return self._built(node, location)
        finally:
            self._open.pop()

    def _built(self, node: Node, location: Location) -> object:
        if isinstance(node, MappingNode):
            return self._mapping(node, location)
        if isinstance(node, SequenceNode):
            return [self.build(part, (*location, place)) for place, part in enumerate(node.value)]
        return self._scalar(node, location)

    def _scalar(self, node: Node, location: Location) -> object:
        if node.tag in _CONVERTED:
            try:
                return self._convert(node)
            except (YAMLError, ValueError):
                self._complain(
                    node, location, "the value does not fit its tag; expected one without a tag"
                )
                return node.value
        if not str(node.tag).startswith(_STANDARD):
            self._complain(
                node, location, "a tag is put before the value; expected one without a tag"
            )
        return node.value

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, object]:
        data: dict[str, object] = {}
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged.append(value_node)
                continue
            key = self._key(key_node, location)
            if key in data:
                self._duplicate(key_node, (*location, key))
            elif key is not None:
                self._add(data, key, (key_node, value_node), location)
        for pair in self._merged_pairs(merged, location, ()):
            key = str(pair[0].value)
            if key not in data:
                self._add(data, key, pair, location)
        return data

    def _add(self, data: dict[str, object], key: str, pair: _Pair, location: Location) -> None:
        key_node, value_node = pair
        self._document.keys[*location, key] = _start(key_node)
        data[key] = self.build(value_node, (*location, key))

    def _merged_pairs(
        self, sources: list[Node], location: Location, outer: tuple[Node, ...]
    ) -> Iterator[_Pair]:
        """Yield the pairs that `<<` brings in: from one mapping, or from a list of them."""
        for source in sources:
            if any(source is node for node in outer):
                continue  # it merges itself, which adds nothing
            around = (*outer, source)
            if isinstance(source, SequenceNode):
                yield from self._merged_pairs(source.value, location, around)
            elif isinstance(source, MappingNode):
                inner = [value for key, value in source.value if key.tag == _MERGE]
                yield from ((key, value) for key, value in source.value if key.tag != _MERGE)
                yield from self._merged_pairs(inner, location, around)
            else:
                self._complain(source, location, "<< with a plain value; expected *an_anchor")

    def _key(self, node: Node, location: Location) -> str | None:
        """Return a mapping's key as text; a key of another type is a problem, kept as text."""
        if not isinstance(node, ScalarNode):
            self._complain(node, location, "a list or a section as a key; expected a name")
            return None
        if node.tag in _CONVERTED:
            self._complain(node, location, f"{node.value} as a key; expected a name, in quotes")
        return str(node.value)

    def _duplicate(self, node: Node, location: Location) -> None:
        first = self._document.keys[location]
        self._complain(
            node, location, f"given twice; expected once (the first is in line {first.line})"
        )

    def _complain(self, node: Node, location: Location, text: str) -> None:
        place = _start(node)
        self._document.problems.append(Problem(location, text, position=(place.line, place.column)))


def _start(node: Node) -> Position:
    return Position(node.start_mark.line + 1, node.start_mark.column + 1)
