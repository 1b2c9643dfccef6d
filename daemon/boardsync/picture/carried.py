"""What a picture that is encoded anew carries along: how it was made, and what its EXIF tells.

A PNG has room for any text. EXIF has one comment, which the web UI writes its parameters to; the
texts of other programs go there as one object by their names, as NovelAI and ComfyUI do it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, Final

from boardsync.formats import JPEG, PNG, TIFF, WEBP, Format
from boardsync.formats.embedded import InMemory, embedded_texts
from boardsync.formats.embedded.exif import PREFIX
from boardsync.formats.embedded.texts import decoded
from boardsync.formats.kept.packet import KEYWORD, kept_packet, upright_packet
from boardsync.formats.kept.tags import DESCRIPTION, Tags, read_tags, write_tags
from boardsync.formats.png import text_chunks
from boardsync.picture.sound import TELL_ORIENTATION
from boardsync.picture.stealth import hidden_text

PARAMETERS: Final = "parameters"
_TEXT_LIMIT: Final = 64 * 1024 * 1024
_MOST_OF_JPEG: Final = 65_000
"""Bytes of one JPEG segment, which holds all of its EXIF."""
_CHUNKS: Final = ("PNG tEXt ", "PNG zTXt ", "PNG iTXt ")
_HIDING: Final = (PNG, WEBP)


@dataclass(slots=True)
class Carried:
    """Texts by keyword, tags, an XMP packet and a JPEG's comment. cut: not all found room."""

    texts: dict[str, str] = field(default_factory=dict)
    tags: Tags = field(default_factory=Tags)
    packet: bytes = b""
    comment: bytes = b""
    cut: bool = False

    def set_upright(self) -> None:
        """Forget how the picture was to be turned."""
        self.tags.set_upright()
        self.packet = upright_packet(self.packet)

    def exif(self, kind: Format) -> bytes | None:
        """Return the EXIF block of a picture of this format; None without any."""
        if kind is PNG:
            return PREFIX + write_tags(self.tags) if self.tags else None
        while True:
            block = self._with_texts(self.texts_for(kind))
            if kind is not JPEG or block is None or len(block) <= _MOST_OF_JPEG:
                return block
            self.cut = True
            if not self.texts:
                return None
            del self.texts[max(self.texts, key=lambda keyword: len(self.texts[keyword]))]

    def texts_for(self, kind: Format) -> dict[str, str]:
        """Return the texts that stand beside the tags: a comment is none where it has a place."""
        if not self.comment or kind is JPEG:
            return dict(self.texts)
        return {**self.texts, "Comment": decoded(self.comment)}

    def _with_texts(self, rest: dict[str, str]) -> bytes | None:
        """Write the texts into the tags: the parameters as a comment, the others as an object."""
        tags = Tags(self.tags.order, dict(self.tags.first), self.tags.exif.copy(), self.tags.gps)
        taken = tags.has_comment()
        comment = "" if taken else rest.pop(PARAMETERS, "")
        every = json.dumps(rest) if rest else ""
        if comment or (every and not taken):
            tags.set_comment(comment or every)
        if every and (comment or taken) and DESCRIPTION not in tags.first:
            tags.set_description(every)
        elif every and (comment or taken):
            self.cut = True
        return PREFIX + write_tags(tags) if tags else None


def carried_by(content: bytes, known: Format, info: dict[Any, Any], *, private: bool) -> Carried:
    """Gather what a decoded picture carries. info: what Pillow read beside the pixels.

    private: also what tells whose picture it is, and where it was taken.
    """
    found = Carried(texts=_texts(content) if known is PNG else {})
    comment = info.get("comment")
    if known is JPEG and isinstance(comment, bytes):
        found.comment = comment
    block = content if known is TIFF else info.get("exif")
    if isinstance(block, bytes) and block:
        found.tags = read_tags(block, private=private)
    packet = info.get("xmp")
    if isinstance(packet, str):
        packet = packet.encode("utf-8", "replace")
    if isinstance(packet, bytes) and packet:
        found.packet = packet if private else kept_packet(packet)
    if not found.texts and not found.tags.has_comment() and known in _HIDING:
        hidden, _ = hidden_text(InMemory(content))
        if hidden is not None:
            found.texts[PARAMETERS] = hidden.value
    return found


def _texts(content: bytes) -> dict[str, str]:
    return {
        one.keyword: one.value
        for one in embedded_texts(InMemory(content)).texts
        if one.source.startswith(_CHUNKS) and not _is_packed(one.source)
    }


def _is_packed(source: str) -> bool:
    """Tell whether a text comes out of a packet or a profile, which travels by itself."""
    keyword = source.split(" ", 2)[2]
    return keyword.startswith((KEYWORD, *TELL_ORIENTATION))


def png_texts(content: bytes) -> dict[str, str]:
    """Return the texts of a PNG as they are to stand in another one."""
    return text_chunks(content, limit=_TEXT_LIMIT)
