"""Software that writes one JSON object: SwarmUI, Fooocus, NovelAI, Draw Things, and others."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from boardsync.formats.embedded import Text
from boardsync.picture.generation.catalogue import Catalogue
from boardsync.picture.generation.record import Draft
from boardsync.picture.generation.values import items, json_object, obj, words

_SIZE: Final = re.compile(r"\(?\s*([0-9]{1,9})\s*[,xX]\s*([0-9]{1,9})\s*\)?\Z")
_MODEL_AND_HASH: Final = re.compile(r"(.{1,200}?)\s+([0-9A-F]{8})\Z")

_SWARM: Final = {
    "prompt": "prompt", "negativeprompt": "negative_prompt", "seed": "seed", "steps": "steps",
    "cfgscale": "cfg", "sampler": "sampler", "scheduler": "scheduler", "width": "width",
    "height": "height", "model": "model",
}  # fmt: skip
_FOOOCUS: Final = {
    "prompt": "prompt", "negative_prompt": "negative_prompt", "seed": "seed", "steps": "steps",
    "guidance_scale": "cfg", "sampler": "sampler", "scheduler": "scheduler",
    "base_model": "model", "base_model_hash": "model_hash",
}  # fmt: skip
_NOVELAI: Final = {
    "seed": "seed", "steps": "steps", "scale": "cfg", "sampler": "sampler",
    "noise_schedule": "scheduler", "width": "width", "height": "height",
}  # fmt: skip
_DRAW_THINGS: Final = {
    "c": "prompt", "uc": "negative_prompt", "seed": "seed", "steps": "steps", "scale": "cfg",
    "sampler": "sampler", "model": "model",
}  # fmt: skip


def _put_all(draft: Draft, value: Mapping[str, object], names: Mapping[str, str], at: str) -> None:
    for key, name in names.items():
        draft.put(name, value.get(key), f"{at}{key}")


def read_swarmui(catalogue: Catalogue) -> Draft | None:
    """Read `sui_image_params`, wherever it stands."""
    for text, value in catalogue.objects():
        told = obj(value.get("sui_image_params"))
        if told:
            draft = Draft(text.source)
            draft.text("software", "SwarmUI", "sui_image_params")
            _put_all(draft, told, _SWARM, "sui_image_params.")
            hashes = dict(_swarm_hashes(items(value.get("sui_models"))))
            name = words(told.get("model")) or ""
            draft.text("model_hash", hashes.get(_bare(name)), "sui_models")
            weights = _listed(told.get("loraweights"))
            for index, lora in enumerate(_listed(told.get("loras"))):
                weight = weights[index] if index < len(weights) else None
                digest = hashes.get(_bare(str(lora)))
                draft.add_lora(lora, weight, "sui_image_params.loras", digest)
            draft.add_rest(told, frozenset({*_SWARM, "loras", "loraweights"}), "sui_image_params.")
            draft.add_rest(obj(value.get("sui_extra_data")), frozenset(), "sui_extra_data.")
            return draft
    return None


def _listed(value: object) -> list[object]:
    """A list, or one as text with commas."""
    if isinstance(value, str):
        return [one.strip() for one in value.split(",") if one.strip()]
    return items(value)


def _swarm_hashes(models: list[object]) -> Iterator[tuple[str, object]]:
    for model in map(obj, models):
        name = model.get("name")
        if isinstance(name, str):
            yield _bare(name), model.get("hash")


def _bare(name: str) -> str:
    return name.removesuffix(".safetensors")


def read_fooocus(catalogue: Catalogue) -> Draft | None:
    """Read Fooocus' own scheme; its other one is that of the web UI."""
    for text, value in catalogue.objects():
        version = words(value.get("version")) or ""
        if "base_model" in value or version.startswith("Fooocus"):
            draft = Draft(text.source)
            draft.text("software", "Fooocus", "version" if version else "its form")
            _put_all(draft, value, _FOOOCUS, "")
            _add_size(draft, value.get("resolution"), "resolution")
            _add_fooocus_loras(draft, value)
            draft.add_rest(value, frozenset({*_FOOOCUS, "resolution", "loras"}), "")
            return draft
        if value.get("software") == "RuinedFooocus":
            return _ruined(Draft(text.source), value)
    return None


def _add_fooocus_loras(draft: Draft, value: Mapping[str, object]) -> None:
    for index, row in enumerate(map(items, items(value.get("loras")))):
        if row:
            name, weight, digest = (*row, None, None)[:3]
            draft.add_lora(name, weight, f"loras[{index}]", digest)
    for key, told in value.items():
        if key.startswith("lora_combined_") and isinstance(told, str):
            name, _, weight = told.rpartition(" : ")
            draft.add_lora(name or told, weight if name else None, key)


def _ruined(draft: Draft, value: Mapping[str, object]) -> Draft:
    draft.text("software", "RuinedFooocus", "software")
    names = {
        "Prompt": "prompt", "Negative": "negative_prompt", "steps": "steps", "cfg": "cfg",
        "width": "width", "height": "height", "seed": "seed", "sampler_name": "sampler",
        "scheduler": "scheduler", "base_model_name": "model", "base_model_hash": "model_hash",
    }  # fmt: skip
    _put_all(draft, value, names, "")
    for index, row in enumerate(items(value.get("loras"))):
        told = words(row) or " - ".join(str(each) for each in items(row))
        weight, _, name = told.rpartition(" - ")
        draft.add_lora(name, weight.rpartition(" - ")[2] or None, f"loras[{index}]")
    draft.add_rest(value, frozenset({*names, "software", "loras"}), "")
    return draft


def _add_size(draft: Draft, value: object, place: str) -> None:
    """Set the size from `(width, height)` or `widthxheight`."""
    found = _SIZE.match(words(value) or "")
    if found is not None:
        draft.size(found[1], found[2], place)


def read_novelai(catalogue: Catalogue) -> Draft | None:
    """Read NovelAI's `Comment`: a chunk beside others, or all of them in one object."""
    for text, outer, value in _novelai_comments(catalogue):
        draft = Draft(text.source)
        draft.text("software", "NovelAI", "Software")
        _add_captions(draft, "prompt", value.get("v4_prompt"), "v4_prompt.caption")
        draft.text("prompt", value.get("prompt"), "prompt")
        draft.text("prompt", outer.get("Description"), "Description")
        captions = "v4_negative_prompt.caption"
        _add_captions(draft, "negative_prompt", value.get("v4_negative_prompt"), captions)
        draft.text("negative_prompt", value.get("uc"), "uc")
        _put_all(draft, value, _NOVELAI, "")
        source = words(outer.get("Source")) or words(value.get("model")) or ""
        found = _MODEL_AND_HASH.match(source)
        draft.text("model", found[1] if found else source, "Source")
        draft.text("model_hash", found[2] if found else None, "Source")
        used = frozenset({*_NOVELAI, "prompt", "uc", "v4_prompt", "v4_negative_prompt", "model"})
        draft.add_rest(value, used, "")
        return draft
    return None


_Comment = tuple[Text, Mapping[str, object], Mapping[str, object]]


def _novelai_comments(catalogue: Catalogue) -> Iterator[_Comment]:
    """Yield a text, what stands beside the comment, and the comment itself."""
    comment = catalogue.get("Comment")
    value = json_object(comment.value) if comment is not None else None
    chunks = {key: catalogue.value(key) for key in ("Software", "Source", "Description")}
    if comment is not None and value is not None and _is_novelai(chunks, value):
        yield comment, chunks, value
    for text, outer in catalogue.objects():
        inner = outer.get("Comment")
        value = json_object(inner) if isinstance(inner, str) else dict(obj(inner))
        if value and _is_novelai(outer, value):
            yield text, outer, value


def _is_novelai(outer: Mapping[str, object], value: Mapping[str, object]) -> bool:
    named = str(outer.get("Software", "")) + str(outer.get("Source", ""))
    return "novelai" in named.lower() or "v4_prompt" in value or {"uc", "scale"} <= value.keys()


def _add_captions(draft: Draft, name: str, prompt: object, place: str) -> None:
    """Join the base caption and those of the characters as NovelAI writes them, with a bar."""
    caption = obj(obj(prompt).get("caption"))
    texts = [words(caption.get("base_caption"))]
    texts += [words(obj(each).get("char_caption")) for each in items(caption.get("char_captions"))]
    draft.text(name, " | ".join(filter(None, texts)), place)


def read_draw_things(catalogue: Catalogue) -> Draft | None:
    """Read Draw Things' object, which stands in XMP or EXIF."""
    tool = catalogue.value("CreatorTool")
    for text, value in catalogue.objects():
        if {"c", "seed"} <= value.keys() and (
            "Draw Things" in tool or {"uc", "size"} & value.keys()
        ):
            draft = Draft(text.source)
            draft.text("software", "Draw Things", "CreatorTool" if tool else "its form")
            _put_all(draft, value, _DRAW_THINGS, "")
            _add_size(draft, value.get("size"), "size")
            for index, row in enumerate(map(obj, items(value.get("lora")))):
                draft.add_lora(row.get("model"), row.get("weight"), f"lora[{index}]")
            draft.add_rest(value, frozenset({*_DRAW_THINGS, "size", "lora"}), "")
            return draft
    return None
