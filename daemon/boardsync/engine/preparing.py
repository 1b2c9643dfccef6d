"""How a mirror's pictures are prepared: what its server needs, and what its settings ask for."""

from __future__ import annotations

from functools import partial
from typing import Final

from boardsync.config.preparing import PrepareSettings
from boardsync.formats import FORMATS, Format, format_by_extension
from boardsync.model import Capabilities
from boardsync.picture.asked import QUALITY, WHITE, Animated, Asked
from boardsync.picture.prepare import ORIGINAL, Needs
from boardsync.plan.names import split_extension

_BY_NAME: Final = {known.name.lower().replace(" ", "-"): known for known in FORMATS}

_NEEDED: Final = frozenset({ORIGINAL, "upright", "srgb", "rgba", "rgb", "gray16", "gray"})
"""Steps that no setting asks for."""


def needs_of(capabilities: Capabilities) -> Needs:
    """Translate what a server would spoil into what the preparation repairs."""
    return Needs(
        upright=capabilities.needs_upright,
        srgb=capabilities.needs_srgb,
        plain_modes=capabilities.needs_plain_modes,
        palette_alpha=capabilities.needs_plain_modes,
        readable=capabilities.reads,
    )


def asked_of(settings: PrepareSettings) -> Asked:
    """Translate what the settings ask for."""
    formats = settings.formats
    return Asked(
        fit=settings.fit,
        fit_bytes=settings.fit_bytes,
        refuse_above=settings.refuse_above,
        formats=None if formats is None else frozenset(_BY_NAME[one] for one in formats),
        convert=None if settings.convert is None else _BY_NAME[settings.convert],
        quality=settings.quality or QUALITY,
        background=WHITE if settings.background is None else _colour(settings.background),
        animated=Animated(settings.animated),
        strip_private=settings.strip_private,
    )


def _colour(text: str) -> tuple[int, int, int]:
    red, green, blue = map(partial(int, base=16), (text[1:3], text[3:5], text[5:7]))
    return red, green, blue


def fitting_name(name: str, known: Format) -> str:
    """Return a name with an extension of a format: its own where it has one of it."""
    if format_by_extension(name) is known:
        return name
    return split_extension(name)[0] + known.extension


def is_prepared(recipe: str | None) -> bool:
    """Tell whether what was sent is not the very file. recipe: of a link, or a mark."""
    return recipe is not None and recipe.partition(";")[0] != ORIGINAL


def may_be_otherwise(settings: PrepareSettings, recipe: str | None) -> bool:
    """Tell whether a picture that was sent may be prepared otherwise now: by its file alone it is
    not known."""
    if settings.asks:
        return True
    steps = (recipe or ORIGINAL).partition(";")[0].split("+")
    return not _NEEDED.issuperset(steps)


def is_converted(name: str | bytes, item_id: str) -> bool:
    """Tell whether an item has another format than its file, by their names."""
    return format_by_extension(name) is not format_by_extension(item_id)
