"""ComfyUI's graphs in one shape, whether as sent to the server (`prompt`) or as drawn (`workflow`).

A drawn graph names no inputs of its widgets, mutes nodes, and bypasses others: here a muted node
is not there, and a link to a bypassed one leads to what that node is fed with.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from boardsync.picture.generation.values import items, obj, whole

_MUTED, _BYPASSED = 2, 4
_LONGEST_BYPASS: Final = 1_000
"""Bypassed nodes in a row."""
_CONTROL: Final = "control_after_generate"
_CONTROLS: Final = frozenset({"fixed", "increment", "decrement", "randomize"})

_SAMPLING: Final = ("steps", "cfg", "sampler_name", "scheduler")
_WIDGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "KSampler": ("seed", _CONTROL, *_SAMPLING, "denoise"),
    "KSamplerAdvanced": ("add_noise", "noise_seed", _CONTROL, *_SAMPLING),
    "SamplerCustom": ("add_noise", "noise_seed", _CONTROL, "cfg"),
    "RandomNoise": ("noise_seed", _CONTROL),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "CLIPTextEncode": ("text",),
    "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSDXL": (
        "width", "height", "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l",
    ),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "SaveImage": ("filename_prefix",),
    "PrimitiveNode": ("value", _CONTROL),
}  # fmt: skip
"""Names of the widgets in the order of their values."""


@dataclass(frozen=True, slots=True)
class Link:
    """An input that is fed by an output of another node."""

    node: str
    slot: int


@dataclass(frozen=True, slots=True)
class Node:
    """A node: its kind, and its inputs by name, each a `Link` or a value."""

    name: str
    kind: str
    inputs: Mapping[str, object]

    def place(self, key: str) -> str:
        """Return the source of one of its values."""
        return f"node {self.name} {self.kind}.{key}"

    def links(self) -> Iterator[tuple[str, Link]]:
        """Yield the inputs that other nodes feed."""
        for key, value in self.inputs.items():
            if isinstance(value, Link):
                yield key, value


Graph = Mapping[str, Node]


def from_prompt(value: Mapping[str, object]) -> Graph:
    """Read a graph as sent to the server; empty when it is none."""
    nodes: dict[str, Node] = {}
    for name, raw in value.items():
        node = obj(raw)
        kind = node.get("class_type")
        if isinstance(kind, str) and kind:
            inputs = {key: _input(given) for key, given in obj(node.get("inputs")).items()}
            nodes[name] = Node(name, kind, inputs)
    return nodes


def _input(given: object) -> object:
    if isinstance(given, list) and len(given) == 2:
        name, slot = given
        if isinstance(name, str | int) and isinstance(slot, int) and not isinstance(name, bool):
            return Link(str(name), slot)
    return given


def from_workflow(value: Mapping[str, object]) -> Graph:
    """Read a graph as drawn; empty when it is none."""
    drawn = {str(node["id"]): node for node in map(obj, items(value.get("nodes"))) if "id" in node}
    links = dict(_links(items(value.get("links"))))
    nodes: dict[str, Node] = {}
    for name, node in drawn.items():
        kind = node.get("type")
        if isinstance(kind, str) and node.get("mode") not in (_MUTED, _BYPASSED):
            inputs = _widget_values(kind, node)
            for entry in map(obj, items(node.get("inputs"))):
                link = _through(_link_of(entry, links), drawn, links, entry.get("type"))
                if link is not None:
                    inputs[str(entry.get("name"))] = link
            nodes[name] = Node(name, kind, inputs)
    return nodes


def _links(raw: list[object]) -> Iterator[tuple[int, Link]]:
    """Yield links by number; they are written as lists, or as objects in newer versions."""
    for each in raw:
        entry = obj(each)
        listed = items(each)
        number, origin, slot = (
            (listed[0], listed[1], listed[2])
            if len(listed) >= 3
            else (entry.get("id"), entry.get("origin_id"), entry.get("origin_slot"))
        )
        known, from_slot = whole(number), whole(slot)
        if known is not None and from_slot is not None and isinstance(origin, str | int):
            yield known, Link(str(origin), from_slot)


def _link_of(entry: Mapping[str, object], links: Mapping[int, Link]) -> Link | None:
    number = whole(entry.get("link"))
    return None if number is None else links.get(number)


def _through(
    link: Link | None,
    drawn: Mapping[str, Mapping[str, object]],
    links: Mapping[int, Link],
    wanted: object,
) -> Link | None:
    """Follow a link through bypassed nodes, along inputs of the wanted type."""
    for _ in range(_LONGEST_BYPASS):
        node = drawn.get(link.node) if link is not None else None
        if link is None or node is None or node.get("mode") == _MUTED:
            return None
        if node.get("mode") != _BYPASSED:
            return link
        fitting = [
            entry
            for entry in map(obj, items(node.get("inputs")))
            if entry.get("type") == wanted and entry.get("link") is not None
        ]
        link = _link_of(fitting[0], links) if fitting else None
    return None


def _widget_values(kind: str, node: Mapping[str, object]) -> dict[str, object]:
    """Name the values of a node's widgets: by its kind, or by those inputs that are widgets."""
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return dict(values)
    given = items(values)
    names = _WIDGETS.get(kind) or tuple(_named_widgets(node))
    if _CONTROL not in names:
        given = _without_controls(given, len(names))
    named = {name: value for name, value in zip(names, given, strict=False) if name != _CONTROL}
    for index, value in enumerate(given[len(names) :] if names else given):
        named[f"widget {index + len(names)}"] = value
    return named


def _named_widgets(node: Mapping[str, object]) -> Iterator[str]:
    for entry in map(obj, items(node.get("inputs"))):
        name = obj(entry.get("widget")).get("name")
        if isinstance(name, str):
            yield name


def _without_controls(given: list[object], expected: int) -> list[object]:
    """Leave out what follows a seed and says how it changes: it has a value but no name."""
    if len(given) <= expected:
        return given
    return [value for value in given if not (isinstance(value, str) and value in _CONTROLS)]
