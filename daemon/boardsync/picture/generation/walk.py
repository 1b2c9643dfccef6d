"""Following the links of a graph: to values, to texts, along models. Bounded, cycles or not."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from boardsync.picture.generation.graph import Graph, Link, Node
from boardsync.picture.generation.values import whole

MOST_STEPS: Final = 10_000
"""Nodes visited for one value or text. Graphs drawn by people have some hundred nodes."""
MOST_WORK: Final = 300_000
"""Inputs looked at for one question, in sum: a third of a second. Drawn graphs take hundreds."""
MOST_PIECES: Final = 200
"""Texts that make up one prompt."""
_DEEPEST: Final = 50
"""Texts joined of joined texts."""
_MOST_TEXT: Final = 1_000_000
"""Characters of one prompt. Texts joined with themselves double at every step."""

_PIPES: Final = re.compile(r"(?i)^(basic_?pipe|detailer_?pipe|pipe|base_ctx|ctx|context|.*_pipe)$")
_JOINS: Final = re.compile(r"(?i)concat|join|append|combine|merge")
_TEXT_KEYS: Final = (
    "populated_text", "text", "string", "value", "prompt", "text_positive", "wildcard_text",
    "Text", "String", "text_0", "widget 0",
)  # fmt: skip
_JOINED: Final = re.compile(r"(?i)^(text|string|str|prompt|input)[ _]?([a-z]|[0-9]+)?$")
_VALUE_KEYS: Final = ("value", "Value", "int", "float", "number", "seed", "noise_seed", "widget 0")
_EMPTY: Final = re.compile(r"(?i)zero_?out")
_OF_CONDITIONING: Final = re.compile(
    r"(?i)^(conditioning.*|cond\d*|.*_cond|text_embeds|embeds|positive|negative|base_positive"
    r"|base_negative|any.*|\*|input|value|)$"
)
_NO_TEXT: Final = re.compile(
    r"(?i)clip|model|vae|image|latent|pixels|mask|control_net|style|samples|noise|sigmas|guider"
)
_ENCODED: Final = re.compile(
    r"(?i)^(text|prompt|text_g|text_l|t5xxl|clip_l|clip_g|llama|text_?\d*|caption|string"
    r"|(.*_)?(positive|negative)(_prompt)?|prompt_(positive|negative)|widget 0)$"
)


@dataclass(frozen=True, slots=True)
class Found:
    """A value and the node's key where it stands."""

    value: object
    place: str


@dataclass(slots=True)
class Walker:
    """Answers a question about a graph, until its work is spent: then it finds nothing more."""

    graph: Graph
    left: int = MOST_WORK
    cut: bool = False
    """Whether a way was longer than is followed."""
    joined: dict[str, Found | None] = field(default_factory=dict)
    """Texts that nodes join, by node: None while one is joined, so that no text holds itself."""

    def _spend(self, node: Node) -> bool:
        """Pay for looking at a node; False when nothing is left to pay with."""
        self.left -= 1 + len(node.inputs)
        return self.left > 0

    def node(self, link: object) -> Node | None:
        """Return the node that a link comes from."""
        return self.graph.get(link.node) if isinstance(link, Link) else None

    def value(self, node: Node, *keys: str) -> Found | None:
        """Return the value of the first of these inputs that leads to one."""
        for key in keys:
            if key in node.inputs:
                found = self._resolve(node, key)
                if found is not None:
                    return found
        return None

    def _resolve(self, node: Node, key: str) -> Found | None:
        """Follow an input to its value, through reroutes, primitives and the like."""
        wanted, seen = key, set[tuple[str, str]]()
        for _ in range(MOST_STEPS):
            given = node.inputs.get(key)
            if not isinstance(given, Link):
                return None if given is None else Found(given, node.place(key))
            source = self.node(given)
            if source is None or (source.name, key) in seen or not self._spend(source):
                return None
            seen.add((source.name, key))
            following = _key_of_value(source, wanted)
            if following is None:
                return None
            node, key = source, following
        self.cut = True
        return None

    def upstream(self, start: Node, follow: Callable[[str], bool]) -> Iterator[Node]:
        """Yield the nodes that feed one, the nearest first, each once."""
        waiting, seen = deque([start]), {start.name}
        for _ in range(MOST_STEPS):
            if not waiting or not self._spend(waiting[0]):
                return
            node = waiting.popleft()
            if node is not start:
                yield node
            for key, link in node.links():
                source = self.graph.get(link.node)
                if source is not None and source.name not in seen and follow(key):
                    seen.add(source.name)
                    waiting.append(source)
        self.cut = True

    @property
    def tired(self) -> bool:
        """Tell whether something may not have been found for its distance alone."""
        return self.cut or self.left <= 0

    def input_of(self, node: Node, *keys: str) -> tuple[Node, str] | None:
        """Find the node that holds one of these inputs: this one, or one down its pipes."""
        for _ in range(_DEEPEST):
            for key in keys:
                if node.inputs.get(key) is not None:
                    return node, key
            pipes = [link for key, link in node.links() if _PIPES.match(key)]
            source = self.node(pipes[0]) if pipes else None
            if source is None:
                return None
            node = source
        return None

    def prompts(self, link: object, side: str) -> list[Found]:
        """Collect the texts behind a conditioning, in order. side: `positive` or `negative`."""
        pieces: list[Found] = []
        waiting: list[tuple[object, str]] = [(link, side)]
        seen: set[tuple[str, str]] = set()
        for _ in range(MOST_STEPS):
            if not waiting or len(pieces) >= MOST_PIECES:
                break
            link, side = waiting.pop()
            node = self.node(link)
            if node is None or (node.name, side) in seen or not isinstance(link, Link):
                continue
            if not self._spend(node):
                break
            seen.add((node.name, side))
            if _EMPTY.search(node.kind):
                continue
            side = _side_of_slot(node, link.slot, side)
            pieces += self._encoded(node, side)
            waiting += reversed([(each, side) for each in _feeding(node, side)])
        else:
            self.cut = True
        return _each_once(pieces)

    def _encoded(self, node: Node, side: str) -> list[Found]:
        """Return the texts that a node itself encodes."""
        other = "negative" if side == "positive" else "positive"
        found = []
        for key in node.inputs:
            if _ENCODED.match(key) and other not in key.lower():
                text = self.text(node, key)
                if text is not None:
                    found.append(text)
        sided = [each for each in found if side in each.place.rpartition(".")[2].lower()]
        return sided or found

    def text(self, node: Node, key: str, depth: int = 0) -> Found | None:
        """Follow an input to a text, joining where nodes join."""
        seen: set[tuple[str, str]] = set()
        for _ in range(MOST_STEPS):
            given = node.inputs.get(key)
            if isinstance(given, str):
                return Found(given, node.place(key)) if given.strip() else None
            source = self.node(given)
            if source is None or (source.name, key) in seen or not self._spend(source):
                return None
            seen.add((source.name, key))
            parts = _joined_keys(source)
            if parts:
                return self._join(source, parts, depth + 1)
            following = next((one for one in _text_keys(source)), None)
            if following is None:
                return None
            node, key = source, following
        self.cut = True
        return None

    def _join(self, node: Node, keys: list[str], depth: int) -> Found | None:
        if node.name in self.joined or depth > _DEEPEST:
            return self.joined.get(node.name)
        self.joined[node.name] = None
        pieces: list[str] = []
        left = _MOST_TEXT
        for key in keys:
            found = self.text(node, key, depth) if left > 0 else None
            if found is not None:
                pieces.append(str(found.value)[:left])
                left -= len(pieces[-1])
        delimiter = node.inputs.get("delimiter", node.inputs.get("separator", " "))
        glue = delimiter if isinstance(delimiter, str) else " "
        text = glue.replace("\\n", "\n").join(pieces)
        if text.strip():
            self.joined[node.name] = Found(text, node.place(", ".join(keys[:5])))
        return self.joined[node.name]


def _key_of_value(node: Node, wanted: str) -> str | None:
    """Say which input of a node is the value that it hands on."""
    for key in (wanted, *_VALUE_KEYS):
        if node.inputs.get(key) is not None:
            return key
    if len(node.inputs) == 1:
        return next(iter(node.inputs))
    numbers = [key for key, given in node.inputs.items() if whole(given) is not None]
    return numbers[0] if len(numbers) == 1 else None


def _text_keys(node: Node) -> Iterator[str]:
    for key in _TEXT_KEYS:
        if node.inputs.get(key):
            yield key
    links = [key for key, _ in node.links()]
    if len(links) == 1:
        yield links[0]
    for key, given in node.inputs.items():
        if isinstance(given, str) and _ENCODED.match(key):
            yield key


def _joined_keys(node: Node) -> list[str]:
    if not _JOINS.search(node.kind):
        return []
    return [key for key, given in node.inputs.items() if given and _JOINED.match(key)]


def _side_of_slot(node: Node, slot: int, side: str) -> str:
    """A node that is fed with both sides hands them on in its first two outputs."""
    both = {"positive", "negative"} <= {key for key, _ in node.links()}
    return ("positive", "negative")[slot] if both and slot in (0, 1) else side


def _feeding(node: Node, side: str) -> Iterator[Link]:
    """Yield the links to other conditionings of the same side."""
    other = "negative" if side == "positive" else "positive"
    links = [(key, link) for key, link in node.links() if other not in key.lower()]
    sided = [(key, link) for key, link in links if side in key.lower()]
    for key, link in sided or links:
        if _ENCODED.match(key) and key not in ("positive", "negative"):
            continue
        leads_on = _OF_CONDITIONING.match(key) or (_PIPES.match(key) and not sided)
        if leads_on or (len(links) == 1 and not _NO_TEXT.search(key)):
            yield link


def _each_once(pieces: list[Found]) -> list[Found]:
    """Leave out repetitions: two encoders are often given the same text."""
    known: dict[object, Found] = {}
    for piece in pieces:
        known.setdefault(piece.value, piece)
    return list(known.values())
