"""Software that is not known by name: whatever keys say what they are.

Midjourney's description, an object or chunks with telling names, and at last nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from boardsync.picture.generation.catalogue import Catalogue
from boardsync.picture.generation.record import Draft
from boardsync.picture.generation.values import obj, words

_ALIASES: Final[Mapping[str, str]] = {
    "prompt": "prompt", "positive_prompt": "prompt", "positiveprompt": "prompt",
    "positive": "prompt", "negative_prompt": "negative_prompt",
    "negativeprompt": "negative_prompt", "negative": "negative_prompt", "uc": "negative_prompt",
    "seed": "seed", "steps": "steps", "num_inference_steps": "steps", "cfg_scale": "cfg",
    "cfg": "cfg", "cfgscale": "cfg", "guidance_scale": "cfg", "sampler": "sampler",
    "sampler_name": "sampler", "scheduler": "scheduler", "width": "width", "height": "height",
    "model": "model", "model_name": "model", "model_hash": "model_hash",
    "use_stable_diffusion_model": "model", "aipromptinformation": "prompt",
}  # fmt: skip
_OPTION: Final = re.compile(r"--([a-z]{1,20})(?:\s+([^\s-]\S{0,200}))?")
_LEAST: Final = 2
"""A prompt alone, or a width alone, says nothing of a generation when it is in an object."""


def read_midjourney(catalogue: Catalogue) -> Draft | None:
    """Read a description that ends in a job: `a cat --ar 3:2 --v 6 Job ID: ...`."""
    text = catalogue.get("Description", "ImageDescription")
    if text is None or "Job ID: " not in text.value[:30_000]:
        return None
    prompt, _, job = text.value[:30_000].rpartition("Job ID: ")
    draft = Draft(text.source)
    draft.text("software", "Midjourney", "Job ID")
    head, separator, options = prompt.partition(" --")
    draft.text("prompt", head, "prompt")
    for option, value in _OPTION.findall(separator + options):
        if option == "seed":
            draft.whole("seed", value, "--seed")
        elif option == "no":
            draft.text("negative_prompt", value, "--no")
        else:
            draft.add(f"--{option}", value or True, f"--{option}")
    draft.add("Job ID", words(job), "Job ID")
    return draft


def read_other_object(catalogue: Catalogue) -> Draft | None:
    """Read the first object of which two keys at least say what they are."""
    for text, outer in catalogue.objects():
        for place, value in (("", outer), *((f"{key}.", obj(each)) for key, each in outer.items())):
            known = _known(value)
            if len(known) >= _LEAST and {"prompt", "seed"} & {
                _ALIASES[key.lower()] for key in known
            }:
                draft = Draft(text.source)
                _put(draft, value, known, place)
                return draft
    return None


def read_other_chunks(catalogue: Catalogue) -> Draft | None:
    """Read texts whose keywords say what they are."""
    values: dict[str, object] = {text.keyword.lower(): text for text in catalogue.texts}
    known = [key for key in values if key in _ALIASES]
    draft = Draft("")
    for key in known:
        text = catalogue.get(key)
        if text is not None and key != "model":  # a camera has a model, too
            draft.where = text.source
            draft.put(_ALIASES[key], text.value, "")
    software = catalogue.get("Software", "AISystemUsed")
    if software is not None and draft.tells:
        draft.where = software.source
        draft.text("software", software.value, "")
    return draft if draft.tells else None


def _known(value: Mapping[str, object]) -> list[str]:
    return [
        key
        for key, given in value.items()
        if _ALIASES.get(key.lower()) and not isinstance(given, dict | list)
    ]


def _put(draft: Draft, value: Mapping[str, object], known: list[str], place: str) -> None:
    for key in known:
        draft.put(_ALIASES[key.lower()], value[key], f"{place}{key}")
    draft.text("software", value.get("software", value.get("app")), f"{place}software")
    draft.add_rest(value, frozenset(known), place)
