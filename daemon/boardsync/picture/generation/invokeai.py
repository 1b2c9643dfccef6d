"""InvokeAI: `invokeai_metadata` of versions 3 to 6, `sd-metadata` and `Dream` of versions 1 and 2.

Where only `invokeai_graph` or `invokeai_workflow` is left, the node that denoises tells the rest.
InvokeAI calls one thing scheduler that others call sampler: it is told as both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from boardsync.formats.embedded import Text
from boardsync.picture.generation.catalogue import Catalogue
from boardsync.picture.generation.record import Draft
from boardsync.picture.generation.values import items, json_object, obj, words

_FIELDS: Final = {
    "positive_prompt": "prompt", "negative_prompt": "negative_prompt", "seed": "seed",
    "steps": "steps", "cfg_scale": "cfg", "width": "width", "height": "height",
}  # fmt: skip
_HANDLED: Final = frozenset({*_FIELDS, "scheduler", "model", "loras", "app_version"})
_DREAM: Final = {"A": "sampler", "C": "cfg", "H": "height", "s": "steps", "S": "seed", "W": "width"}
_OPTION: Final = re.compile(r"\s-([A-Za-z])\s*(\S+)")
_NEGATIVE: Final = re.compile(r"\[([^\[\]]*)\]")
_WITH_LORA: Final = re.compile(r"withLora\(([^,()]{1,300})(?:,\s*([^()]{1,30}))?\)")
_DENOISES: Final = re.compile(r"denoise|t2l|text_to_latents")
_MOST_OPTIONS: Final = 200
"""Of a command line."""
_MOST_HOPS: Final = 100
"""Nodes between one that denoises and the one that tells a value."""


def read_invokeai(catalogue: Catalogue) -> Draft | None:
    """Read what the newest version wrote; older texts and graphs where there is nothing else."""
    for keyword, reader in (
        ("invokeai_metadata", _metadata),
        ("sd-metadata", _sd_metadata),
        ("invokeai_graph", _graph),
        ("invokeai_workflow", _graph),
    ):
        text = catalogue.get(keyword)
        value = json_object(text.value) if text is not None else None
        if text is not None and value is not None:
            draft = Draft(text.source)
            reader(draft, value)
            if draft.tells:
                draft.text("software", "InvokeAI", "its name")
                return draft
    dream = catalogue.get("Dream")
    return _dream(dream) if dream is not None else None


def _metadata(draft: Draft, value: Mapping[str, object]) -> None:
    for key, name in _FIELDS.items():
        draft.put(name, value.get(key), key)
    for name in ("sampler", "scheduler"):
        draft.text(name, value.get("scheduler"), "scheduler")
    model = value.get("model")
    draft.text("model", _name_of(model), "model")
    draft.text("model_hash", obj(model).get("hash"), "model.hash")
    for index, row in enumerate(map(obj, items(value.get("loras")))):
        lora = row.get("model", row.get("lora"))
        place = f"loras[{index}]"
        draft.add_lora(_name_of(lora), row.get("weight"), place, obj(lora).get("hash"))
    draft.add("app_version", value.get("app_version"), "app_version")
    draft.add_rest(value, _HANDLED, "")


def _name_of(model: object) -> object:
    """Versions 4 and later say `name`, version 3 said `model_name`, others the bare name."""
    known = obj(model)
    return known.get("name", known.get("model_name")) if known else model


def _sd_metadata(draft: Draft, value: Mapping[str, object]) -> None:
    image = obj(value.get("image"))
    prompt = image.get("prompt")
    texts = [words(obj(each).get("prompt")) for each in items(prompt)] or [words(prompt)]
    _add_bracketed(draft, "\n".join(filter(None, texts)), "image.prompt")
    for key in ("seed", "steps", "width", "height"):
        draft.whole(key, image.get(key), f"image.{key}")
    draft.decimal("cfg", image.get("cfg_scale"), "image.cfg_scale")
    draft.text("sampler", image.get("sampler"), "image.sampler")
    draft.text("model", value.get("model_weights"), "model_weights")
    draft.text("model_hash", value.get("model_hash"), "model_hash")
    used = frozenset({"prompt", "seed", "steps", "width", "height", "cfg_scale", "sampler"})
    draft.add_rest(image, used, "image.")
    draft.add_rest(value, frozenset({"image", "model_weights", "model_hash"}), "")


def _dream(text: Text) -> Draft | None:
    """Read a command line: `"a prompt [what not]" -s 50 -S 1 -W 512 -H 512 -C 7.5 -A k_lms`."""
    found = re.match(r'\s*"((?:[^"\\]|\\.){0,100000})"', text.value)
    if found is None:
        return None
    draft = Draft(text.source)
    draft.text("software", "InvokeAI", "its name")
    _add_bracketed(draft, found[1].replace('\\"', '"'), "prompt")
    for match in islice(_OPTION.finditer(text.value, found.end()), _MOST_OPTIONS):
        option, value = match.groups()
        if option in _DREAM:
            draft.put(_DREAM[option], value, f"-{option}")
        else:
            draft.add(f"-{option}", value, f"-{option}")
    return draft


def _add_bracketed(draft: Draft, prompt: str, place: str) -> None:
    """Version 1 and 2 write what is not wanted in brackets, and LoRAs as calls."""
    negatives = [each.strip() for each in _NEGATIVE.findall(prompt)]
    draft.text("prompt", " ".join(_NEGATIVE.sub(" ", prompt).split()), place)
    draft.text("negative_prompt", ", ".join(filter(None, negatives)), place)
    for name, weight in _WITH_LORA.findall(prompt):
        draft.add_lora(name, weight or None, place)


@dataclass(frozen=True, slots=True)
class _Nodes:
    """A graph, as run or as drawn: values of nodes by name, and edges by where they end."""

    kinds: Mapping[str, str]
    values: Mapping[str, Mapping[str, object]]
    edges: Mapping[tuple[str, str], str]

    def value(self, node: str, *keys: str) -> tuple[object, str] | None:
        """Return the value of an input, from the node that feeds it if one does."""
        for _ in range(_MOST_HOPS):
            for key in keys:
                given = self.values.get(node, {}).get(key)
                if given is not None:
                    return given, f"node {node} {self.kinds[node]}.{key}"
            fed = next((self.edges[node, key] for key in keys if (node, key) in self.edges), None)
            if fed is None or fed not in self.kinds:
                return None
            node, keys = fed, (*keys, "value", "prompt", "collection")
        return None

    def feeding(self, node: str, *keys: str) -> str | None:
        """Return the node that feeds one of these inputs."""
        return next((self.edges[node, key] for key in keys if (node, key) in self.edges), None)


def _graph(draft: Draft, value: Mapping[str, object]) -> None:
    nodes = _as_nodes(value)
    denoising = next((name for name, kind in nodes.kinds.items() if _DENOISES.search(kind)), None)
    if denoising is None:
        return
    for name, keys in (
        ("steps", ("steps", "num_steps")),
        ("cfg", ("cfg_scale",)),
        ("sampler", ("scheduler",)),
        ("scheduler", ("scheduler",)),
        ("seed", ("seed",)),
        ("width", ("width",)),
        ("height", ("height",)),
    ):
        _put(draft, name, nodes.value(denoising, *keys))
        noise = nodes.feeding(denoising, "noise")
        if noise is not None:
            _put(draft, name, nodes.value(noise, *keys))
    for name, key in (("prompt", "positive"), ("negative_prompt", "negative")):
        keys = (f"{key}_conditioning", f"{key}_text_conditioning")
        encoder = nodes.feeding(denoising, *keys)
        for _ in range(_MOST_HOPS):
            if encoder is None:
                break
            _put(draft, name, nodes.value(encoder, "prompt"))
            encoder = nodes.feeding(encoder, "item", "collection", "conditioning")
    _add_graph_models(draft, nodes)


def _put(draft: Draft, name: str, found: tuple[object, str] | None) -> None:
    if found is not None:
        draft.put(name, *found)


def _add_graph_models(draft: Draft, nodes: _Nodes) -> None:
    for name, kind in nodes.kinds.items():
        values = nodes.values[name]
        if kind.endswith("model_loader"):
            model = values.get("model")
            draft.text("model", _name_of(model), f"node {name} {kind}.model")
            draft.text("model_hash", obj(model).get("hash"), f"node {name} {kind}.model")
        elif "lora" in kind and "lora" in values:
            lora, place = values["lora"], f"node {name} {kind}.lora"
            draft.add_lora(_name_of(lora), values.get("weight"), place, obj(lora).get("hash"))


def _as_nodes(value: Mapping[str, object]) -> _Nodes:
    kinds: dict[str, str] = {}
    values: dict[str, Mapping[str, object]] = {}
    for name, kind, given in _each_node(value.get("nodes")):
        kinds[name], values[name] = kind, given
    return _Nodes(kinds, values, dict(_edges(items(value.get("edges")))))


def _each_node(raw: object) -> Iterator[tuple[str, str, Mapping[str, object]]]:
    for name, each in obj(raw).items():  # as run
        node = obj(each)
        if isinstance(kind := node.get("type"), str):
            yield name, kind, node
    for each in items(raw):  # as drawn
        node = obj(each)
        data = obj(node.get("data"))
        number, type_ = node.get("id"), data.get("type")
        if isinstance(number, str) and isinstance(type_, str):
            inputs = obj(data.get("inputs"))
            yield number, type_, {key: obj(given).get("value") for key, given in inputs.items()}


def _edges(raw: list[object]) -> Iterator[tuple[tuple[str, str], str]]:
    for each in raw:
        edge = obj(each)
        start, end = obj(edge.get("source")), obj(edge.get("destination"))
        node, key, origin = (
            (end.get("node_id"), end.get("field"), start.get("node_id"))
            if start
            else (edge.get("target"), edge.get("targetHandle"), edge.get("source"))
        )
        if isinstance(node, str) and isinstance(key, str) and isinstance(origin, str):
            yield (node, key), origin
