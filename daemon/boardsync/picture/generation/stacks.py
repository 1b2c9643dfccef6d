"""The LoRAs that a node loads: one, or a stack of them in any of the ways nodes name them."""

from __future__ import annotations

import re
from typing import Final

from boardsync.picture.generation.graph import Node
from boardsync.picture.generation.record import Draft
from boardsync.picture.generation.values import obj
from boardsync.picture.generation.walk import Walker

_NAME: Final = re.compile(r"^lora(?:_name)?_?([0-9]*)$")
_WEIGHTS: Final = (
    "strength_model", "lora_model_strength", "model_weight", "strength", "lora_wt", "lora_weight",
    "model_str", "weight",
)  # fmt: skip
_OFF: Final = frozenset({"off", "none", "false"})


def add_loras(draft: Draft, walker: Walker, node: Node) -> None:
    """Add the LoRAs of a node, without those that are switched off or beyond its count."""
    count = walker.value(node, "lora_count")
    for key, given in node.inputs.items():
        match = _NAME.match(key)
        if match is None:
            continue
        number = match[1]
        if isinstance(given, dict):
            _add_switched(draft, node, key)
        elif _is_on(node, number) and not _is_beyond(number, count.value if count else None):
            name = walker.value(node, key)
            if name is not None:
                draft.add_lora(name.value, _weight(walker, node, number), name.place)


def _add_switched(draft: Draft, node: Node, key: str) -> None:
    """An object for each: whether it is on, its file, its strength."""
    row = obj(node.inputs[key])
    if row.get("on", True) is True:
        draft.add_lora(row.get("lora"), row.get("strength"), node.place(key))


def _is_on(node: Node, number: str) -> bool:
    switch = node.inputs.get(f"switch_{number}", node.inputs.get(f"enabled_{number}", True))
    return str(switch).lower() not in _OFF


def _is_beyond(number: str, count: object) -> bool:
    return bool(number) and isinstance(count, int) and int(number[:9]) > count


def _weight(walker: Walker, node: Node, number: str) -> object:
    endings = (f"_{number}", number) if number else ("",)
    found = walker.value(node, *(name + ending for name in _WEIGHTS for ending in endings))
    return None if found is None else found.value
