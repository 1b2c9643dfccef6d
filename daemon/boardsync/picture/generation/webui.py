"""`parameters` as AUTOMATIC1111's web UI writes it, and Forge, SD.Next, Fooocus and many more.

    prompt, of any number of lines
    Negative prompt: of any number of lines
    Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Key: "quoted, value", ...

Values with commas, colons or line breaks are quoted as JSON text. Some keys hold JSON objects.
Older programs quote nothing; so a value ends where the next key begins.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Final

from boardsync.formats.embedded import Text
from boardsync.picture.generation.catalogue import Catalogue
from boardsync.picture.generation.record import Draft
from boardsync.picture.generation.values import NotJson, items, json_object, obj, parse_json

_NEGATIVE: Final = "Negative prompt:"
_SETTINGS: Final = re.compile(r"^Steps: ?[0-9]", re.MULTILINE)
_KEY: Final = re.compile(r"\s*([^\s:,\"{}\[\]][^:,\"{}\[\]\n]{0,80}):(?:\s+|(?=[\"{\[])|$)")
_NEXT: Final = re.compile(r",\s*(?=[A-Za-z][^:,\"{}\[\]\n]{0,80}:(?:\s|$))|\n")
_QUOTED: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"', re.DOTALL)
_LORA: Final = re.compile(r"<(?:lora|lyco):([^:<>]{1,300})((?::[^:<>]{0,50}){0,4})>")
_SIZE: Final = re.compile(r"\s*([0-9]{1,9})\s*[xX\u00d7]\s*([0-9]{1,9})\s*\Z")
_KARRAS: Final = re.compile(r"(?i)\b(karras|exponential|polyexponential)\Z")
_LEAST_SETTINGS: Final = 3
"""So many keys make a line one of settings when it does not begin with the steps."""

_FIELDS: Final = {
    "Steps": "steps", "Sampler": "sampler", "Schedule type": "scheduler", "Scheduler": "scheduler",
    "CFG scale": "cfg", "Seed": "seed", "Model": "model", "Model hash": "model_hash",
}  # fmt: skip
_HANDLED: Final = frozenset({*_FIELDS, "Size"})
_SOFTWARE: Final = "AUTOMATIC1111"

MOST_PAIRS: Final = 2_000
"""Settings read of one text. Programs write some dozens, with all their extensions."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """The three parts of a text; settings is empty when there are none."""

    prompt: str
    negative: str
    settings: dict[str, str]


def read_webui(catalogue: Catalogue) -> Draft | None:
    """Read the first text of this form. Only `parameters` may come without settings."""
    named = catalogue.get("parameters")
    objects = [text for text, _ in catalogue.objects()]
    for text in (*filter(None, (named,)), *catalogue.texts):
        if any(text is each for each in objects):
            continue
        parts = split(text.value)
        is_bare = text is named
        if parts.settings or is_bare or (parts.negative and text.keyword == "UserComment"):
            return draft_of(text, parts, catalogue)
    return None


def split(text: str) -> _Parts:
    """Split a text into its parts. The settings begin with the last line that tells steps."""
    text = text.replace("\r\n", "\n").strip()
    starts = [match.start() for match in _SETTINGS.finditer(text)]
    settings: dict[str, str] = {}
    if starts:
        settings = dict(islice(pairs(text[starts[-1] :]), MOST_PAIRS))
        text = text[: starts[-1]]
    else:
        head, _, last = text.rpartition("\n")
        found = dict(islice(pairs(last), MOST_PAIRS))
        if len(found) >= _LEAST_SETTINGS and not last.startswith(_NEGATIVE) and _known(found):
            text, settings = head, found
    positive, negative = _prompts(text)
    return _Parts(positive, negative, settings)


def _known(settings: Mapping[str, str]) -> bool:
    """Tell whether these are settings, and not three lists with colons in somebody's prose."""
    return bool(_HANDLED & settings.keys())


def _prompts(text: str) -> tuple[str, str]:
    if text.startswith(_NEGATIVE):
        return "", text[len(_NEGATIVE) :].strip()
    positive, _, negative = text.partition(f"\n{_NEGATIVE}")
    return positive.strip(), negative.strip()


def pairs(text: str) -> Iterator[tuple[str, str]]:
    """Yield the keys and values of settings, in one pass. Quotes are taken off."""
    position = 0
    while position < len(text):
        key = _KEY.match(text, position)
        if key is None:
            # No key: skip to where the next one may begin.
            following = _NEXT.search(text, position)
            if following is None:
                return
            position = max(following.end(), position + 1)
            continue
        value, position = _value(text, key.end())
        yield key[1].strip(), value


def _value(text: str, start: int) -> tuple[str, int]:
    """Return a value and where to go on behind it."""
    if text[start : start + 1] == '"':
        quoted = _QUOTED.match(text, start)
        if quoted is not None:
            return _unquoted(quoted[0]), _behind(text, quoted.end())
    if text[start : start + 1] in ("{", "["):
        end = _json_end(text, start)
        if end is not None:
            return text[start:end], _behind(text, end)
    following = _NEXT.search(text, start)
    if following is None:
        return text[start:].strip().rstrip(","), len(text)
    return text[start : following.start()].strip(), following.end()


def _behind(text: str, end: int) -> int:
    return end + 1 if text[end : end + 1] == "," else end


def _unquoted(quoted: str) -> str:
    try:
        value = json.loads(quoted, strict=False)
    except ValueError:
        return quoted[1:-1]
    return value if isinstance(value, str) else quoted


def _json_end(text: str, start: int) -> int | None:
    """Return where the JSON value ends that begins here; None when it is none."""
    try:
        return json.JSONDecoder().raw_decode(text, start)[1]
    except (ValueError, RecursionError):
        return None


def draft_of(text: Text, parts: _Parts, catalogue: Catalogue) -> Draft:
    """Fill in a draft from the parts of a text."""
    draft, settings = Draft(text.source), parts.settings
    draft.text("prompt", parts.prompt, "prompt")
    draft.text("negative_prompt", parts.negative, "Negative prompt")
    for key, name in _FIELDS.items():
        draft.put(name, settings.get(key), key)
    size = _SIZE.match(settings.get("Size", ""))
    if size is not None:
        draft.size(size[1], size[2], "Size")
    ending = _KARRAS.search(settings.get("Sampler", ""))
    if ending is not None:
        draft.text("scheduler", ending[1], "Sampler")
    _add_loras(draft, parts.prompt, settings)
    _add_resources(draft, settings)
    draft.add_rest(settings, _HANDLED, "")
    name, place = _software(settings, catalogue)
    draft.text("software", name, place)
    return draft


def _software(settings: Mapping[str, str], catalogue: Catalogue) -> tuple[str, str]:
    """Tell who wrote the text. The form alone is AUTOMATIC1111's, who invented it."""
    version = settings.get("Version", "")
    if catalogue.get("fooocus_scheme") is not None or version.startswith("Fooocus"):
        return "Fooocus", "Version"
    if "App" in settings:
        return settings["App"], "App"
    if version.startswith("ComfyUI"):
        return "ComfyUI", "Version"
    if re.match(r"f[0-9]|neo|forge", version, re.IGNORECASE) or "Module 1" in settings:
        return "Forge", "Version"
    if "Civitai resources" in settings or "Civitai metadata" in settings:
        return "Civitai", "Civitai resources"
    return _SOFTWARE, "Version" if version else "its form"


def _add_loras(draft: Draft, prompt: str, settings: Mapping[str, str]) -> None:
    """LoRAs stand in the prompt with their weights, and in lists with their hashes."""
    hashes = dict(_named_hashes(settings))
    for match in islice(_LORA.finditer(prompt), MOST_PAIRS):
        name = match[1].strip()
        draft.add_lora(name, _weight(match[2]), "prompt", hashes.get(name))
    weights = dict(_listed(settings.get("Lora weights", "")))
    for name, digest in hashes.items():
        draft.add_lora(name, weights.get(name), "Lora hashes", digest)
    for name, weight in weights.items():
        draft.add_lora(name, weight, "Lora weights")


def _weight(arguments: str) -> str | None:
    """The first argument, or the one that is named for the picture model."""
    given = [one.strip() for one in arguments.split(":")[1:]]
    named = [one.partition("=")[2] for one in given if one.startswith("unet=")]
    plain = [one for one in given if "=" not in one]
    return next(iter((*named, *plain)), None)


def _named_hashes(settings: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    yield from _listed(settings.get("Lora hashes", ""))
    for key, digest in (json_object(settings.get("Hashes", "")) or {}).items():
        kind, separator, name = key.partition(":")
        if separator and kind.lower() in ("lora", "lyco") and isinstance(digest, str):
            yield name, digest


def _listed(text: str) -> Iterator[tuple[str, str]]:
    """Read `name: value, name: value`."""
    for one in text.split(","):
        name, separator, value = one.rpartition(":")
        if separator and name.strip():
            yield name.strip(), value.strip()


def _add_resources(draft: Draft, settings: Mapping[str, str]) -> None:
    """Take over the model's hash of `Hashes`, and what Civitai's own generator lists."""
    hashes = json_object(settings.get("Hashes", "")) or {}
    draft.text("model_hash", hashes.get("model"), "Hashes")
    try:
        resources = items(parse_json(settings.get("Civitai resources", "")))
    except NotJson:
        return
    for resource in map(obj, resources):
        name = resource.get("modelName")
        if resource.get("type") == "checkpoint":
            draft.text("model", name, "Civitai resources")
        elif resource.get("type") == "lora":
            draft.add_lora(name, resource.get("weight"), "Civitai resources")
