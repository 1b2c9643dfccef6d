"""ComfyUI: walked from the node that saves the picture to the sampler that feeds it.

What the walk knows are shapes rather than names, since thousands of nodes are somebody's own: a
sampler is what has steps and a seed, or is fed with a guider; models are what the input `model`
leads to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from boardsync.formats.embedded import Text
from boardsync.picture.generation.catalogue import Catalogue
from boardsync.picture.generation.graph import Graph, Node, from_prompt, from_workflow
from boardsync.picture.generation.record import Draft
from boardsync.picture.generation.stacks import add_loras
from boardsync.picture.generation.values import json_object, obj, words
from boardsync.picture.generation.walk import Found, Walker

_SAVES: Final = re.compile(r"(?i)save.*(image|webp|png|jpe?g|avif)|image.*sav|^save")
_SHOWS: Final = re.compile(r"(?i)preview.*image|image.*preview|display")
_LATER_PASS: Final = re.compile(r"(?i)detail|upscal|inpaintcrop|facerestore")
_PICTURES: Final = re.compile(
    r"(?i)^(images?|pixels|samples?|latents?|latent_image|any.*|\*|input|base_ctx|ctx|.*pipe|value|)"
    r"[_0-9]*$"
)
_MODELS: Final = (
    "ckpt_name",
    "unet_name",
    "model_name",
    "base_ckpt_name",
    "model_path",
    "gguf_name",
)
_PREFIXED: Final = re.compile(r"\s*(prompt|workflow)\s*:\s*(?=\{)", re.IGNORECASE)
_MOST_MODELS: Final = 500
"""Nodes between a sampler and its model."""
_MOST_ENDS: Final = 20
"""Nodes that save or show pictures. People draw five."""


def read_comfyui(catalogue: Catalogue) -> Draft | None:
    """Read the graph that was run, or the drawn one where there is no other."""
    found = dict(_graphs(catalogue))
    drafts = [
        _walked(found[kind][0], found[kind][1]) for kind in ("prompt", "workflow") if kind in found
    ]
    return next((draft for draft in drafts if draft.tells), next(iter(drafts), None))


def _graphs(catalogue: Catalogue) -> Iterator[tuple[str, tuple[Text, Graph]]]:
    """Yield the graphs of each kind. EXIF holds both behind their names, or in one object."""
    for text in catalogue.texts:
        prefix = _PREFIXED.match(text.value)
        value = json_object(text.value[prefix.end() :]) if prefix else None
        if value is not None:
            yield from _graph_in(text, value)
    for text, value in catalogue.objects():
        yield from _graph_in(text, value)
        for key in ("prompt", "workflow"):
            inner = value.get(key)
            inside = json_object(inner) if isinstance(inner, str) else obj(inner)
            if inside:
                place = Text(f"{text.source}: {key}", text.keyword, "")
                yield from _graph_in(place, inside)


def _graph_in(text: Text, value: Mapping[str, object]) -> Iterator[tuple[str, tuple[Text, Graph]]]:
    graph = from_prompt(value)
    if graph:
        yield "prompt", (text, graph)
    elif "nodes" in value and "links" in value:
        yield "workflow", (text, from_workflow(value))


def _walked(text: Text, graph: Graph) -> Draft:
    draft, walker = Draft(text.source), Walker(graph)
    draft.text("software", "ComfyUI", "its form")
    sampler = _sampler(draft, walker)
    if sampler is None:
        _without_sampler(draft, walker)
        return draft
    for question in (
        _add_prompt,
        _add_negative,
        _add_guidance,
        _add_sampling,
        _add_size,
        _add_model,
    ):
        walker = Walker(graph)
        question(draft, walker, sampler)
        if walker.tired:
            what = question.__name__.removeprefix("_add_")
            draft.troubles.append(f"{draft.where}: too entangled to be followed for its {what}")
    return draft


def _sampler(draft: Draft, walker: Walker) -> Node | None:
    """Find the sampler that feeds a saved picture, else one that feeds a shown one, else any."""
    nodes = list(walker.graph.values())
    ends = [node for node in nodes if _SAVES.search(node.kind)]
    fed: list[Node] = []
    shows = [node for node in nodes if _SHOWS.search(node.kind)]
    for end in (*ends, *shows)[:_MOST_ENDS]:
        found = _feeding_sampler(walker, end)
        if found is not None and found not in fed:
            fed.append(found)
        if len(fed) > 1 or (fed and end not in ends):
            break
    if len(fed) > 1:
        draft.troubles.append(
            f"{draft.where}: several pictures are saved; node {fed[0].name} is taken for this one's"
        )
    return fed[0] if fed else next(filter(_is_sampler, nodes), None)


def _feeding_sampler(walker: Walker, end: Node) -> Node | None:
    """Follow pictures and latents first, and everything where they lead nowhere.

    A pass that only mends details is taken when there is no other.
    """
    for follow in (lambda key: _PICTURES.match(key) is not None, lambda _: True):
        mending: Node | None = None
        for node in filter(_is_sampler, walker.upstream(end, follow)):
            if not _LATER_PASS.search(node.kind):
                return node
            mending = mending or node
        if mending is not None:
            return mending
    return None


def _is_sampler(node: Node) -> bool:
    inputs = node.inputs
    if "guider" in inputs and "sigmas" in inputs:
        return True
    seeded = "seed" in inputs or "noise_seed" in inputs
    sampled = "steps" in inputs or "sigmas" in inputs or "sampler_name" in inputs
    return seeded and sampled and any(True for _ in node.links())


def _parts(walker: Walker, sampler: Node) -> list[Node]:
    """The sampler and the nodes that hold its settings: noise, guider, sampler, sigmas."""
    parts = [sampler]
    for key in ("guider", "noise", "sigmas", "sampler", "options", "settings"):
        given = walker.node(sampler.inputs.get(key))
        if given is not None:
            parts += [given, *_before(walker, given)]
    return parts


def _before(walker: Walker, node: Node) -> list[Node]:
    """What a node of settings is made of: sigmas may be split, set and flipped."""
    return list(
        walker.upstream(node, lambda key: key in ("sigmas", "noise", "guider", "sampler", "noise1"))
    )


_SETTINGS: Final = (
    ("seed", ("seed", "noise_seed")),
    ("steps", ("steps", "steps_total")),
    ("cfg", ("cfg", "cfg_scale", "cfg_conds")),
    ("sampler", ("sampler_name",)),
    ("scheduler", ("scheduler", "scheduler_name")),
)


def _add_sampling(draft: Draft, walker: Walker, sampler: Node) -> None:
    parts = _parts(walker, sampler)
    for name, keys in _SETTINGS:
        for node in parts:
            found = walker.value(node, *keys)
            if found is not None:
                draft.put(name, found.value, found.place)
    for node in parts:
        denoise = walker.value(node, "denoise")
        if denoise is not None:
            draft.add("denoise", denoise.value, denoise.place)


def _guider(walker: Walker, sampler: Node) -> Node:
    """Return the node that model and prompts are given to."""
    return walker.node(sampler.inputs.get("guider")) or sampler


_POSITIVE: Final = ("positive", "conditioning", "cond1", "text_embeds")


def _add_prompt(draft: Draft, walker: Walker, sampler: Node) -> None:
    pieces = _pieces(walker, sampler, "positive", *_POSITIVE)
    draft.text("prompt", "\n".join(str(piece.value) for piece in pieces), _places(pieces))


def _add_negative(draft: Draft, walker: Walker, sampler: Node) -> None:
    pieces = _pieces(walker, sampler, "negative", "negative", "text_embeds")
    draft.text("negative_prompt", "\n".join(str(piece.value) for piece in pieces), _places(pieces))


def _pieces(walker: Walker, sampler: Node, side: str, *keys: str) -> list[Found]:
    held = walker.input_of(_guider(walker, sampler), *keys)
    if held is None:
        return []
    node, key = held
    own = walker.text(node, key) if isinstance(node.inputs[key], str) else None
    return [own] if own is not None else walker.prompts(node.inputs[key], side)


def _add_guidance(draft: Draft, walker: Walker, sampler: Node) -> None:
    """FLUX is guided by what stands beside the prompt."""
    held = walker.input_of(_guider(walker, sampler), *_POSITIVE)
    start = walker.node(held[0].inputs[held[1]]) if held is not None else None
    if start is None:
        return
    nodes = (start, *walker.upstream(start, lambda key: key.startswith(("conditioning", "cond"))))
    for node in nodes:
        found = walker.value(node, "guidance")
        if found is not None:
            draft.add("guidance", found.value, found.place)


def _places(pieces: list[Found]) -> str:
    return " and ".join(piece.place for piece in pieces[:5])


def _add_size(draft: Draft, walker: Walker, sampler: Node) -> None:
    latent = walker.input_of(sampler, "latent_image", "latent", "samples", "optional_latent")
    start = walker.node(latent[0].inputs[latent[1]]) if latent is not None else None
    if start is None:
        return
    for node in (start, *walker.upstream(start, lambda key: _PICTURES.match(key) is not None)):
        width = walker.value(node, "width", "empty_latent_width")
        height = walker.value(node, "height", "empty_latent_height")
        if width is not None and height is not None:
            draft.whole("width", width.value, width.place)
            draft.whole("height", height.value, height.place)
            return


def _add_model(draft: Draft, walker: Walker, sampler: Node) -> None:
    """Go along the models from the sampler to the file they were loaded from."""
    held = walker.input_of(_guider(walker, sampler), "model", "model1")
    if held is None:
        return
    first = walker.node(held[0].inputs[held[1]]) or (held[0] if held[0] is not sampler else None)
    if first is None:
        return
    follow = re.compile(r"(?i)^(model\d*|.*lora_stack|any.*|\*|base_ctx|ctx|.*pipe|lora|)$").match
    chain = (first, *walker.upstream(first, lambda key: follow(key) is not None))
    for node in chain[:_MOST_MODELS]:
        add_loras(draft, walker, node)
        name = walker.value(node, *_MODELS)
        if name is not None and "lora" not in node.kind.lower().replace("loader", ""):
            draft.text("model", name.value, name.place)


def _without_sampler(draft: Draft, walker: Walker) -> None:
    """Take the only text that is encoded anywhere, when there is but one."""
    texts = {
        str(found.value): found
        for node in walker.graph.values()
        if "encode" in node.kind.lower()
        for found in (walker.text(node, "text"),)
        if found is not None
    }
    if len(texts) == 1:
        [(text, found)] = texts.items()
        draft.text("prompt", words(text), found.place)
