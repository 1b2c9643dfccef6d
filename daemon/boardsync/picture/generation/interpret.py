"""Texts in, one record out: asks the parsers in turn, those first whose form is the surest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from boardsync.formats.embedded import Text
from boardsync.picture.generation.catalogue import Catalogue, unfolded
from boardsync.picture.generation.comfyui import read_comfyui
from boardsync.picture.generation.invokeai import read_invokeai
from boardsync.picture.generation.objects import (
    read_draw_things,
    read_fooocus,
    read_novelai,
    read_swarmui,
)
from boardsync.picture.generation.others import (
    read_midjourney,
    read_other_chunks,
    read_other_object,
)
from boardsync.picture.generation.record import Draft, GenerationData
from boardsync.picture.generation.webui import read_webui

_Parser = Callable[[Catalogue], Draft | None]

_OBJECTS: Final[Sequence[_Parser]] = (read_swarmui, read_fooocus, read_invokeai, read_novelai)
_LAST: Final[Sequence[_Parser]] = (
    read_draw_things, read_midjourney, read_other_object, read_other_chunks,
)  # fmt: skip


def interpret(texts: Sequence[Text], troubles: Sequence[str] = ()) -> GenerationData:
    """Tell how a picture was generated. troubles: what is known already not to be readable."""
    catalogue = Catalogue((*texts, *unfolded(texts)))
    draft = _first(_OBJECTS, catalogue) or _webui_or_graph(catalogue) or _first(_LAST, catalogue)
    if draft is None:
        return GenerationData(texts=tuple(texts), troubles=tuple(troubles))
    return draft.finish(tuple(texts), tuple(troubles))


def _first(parsers: Sequence[_Parser], catalogue: Catalogue) -> Draft | None:
    for parser in parsers:
        draft = parser(catalogue)
        if draft is not None and draft.tells:
            return draft
    return None


def _webui_or_graph(catalogue: Catalogue) -> Draft | None:
    """Read either, or both: nodes of ComfyUI write what the web UI writes beside the graph.

    That text holds what the graph only leads to; the graph tells what it leaves out.
    """
    written, walked = read_webui(catalogue), read_comfyui(catalogue)
    if written is None or not written.tells:
        return walked
    if walked is not None:
        written.software = walked.software
        written.fill_from(walked)
    return written
