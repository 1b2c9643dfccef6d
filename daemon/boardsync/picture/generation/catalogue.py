"""The texts of one picture, looked up by keyword."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from boardsync.formats.embedded import Text
from boardsync.picture.generation.values import json_object


@dataclass(frozen=True)
class Catalogue:
    """Texts by keyword, whatever its case. Of equal keywords the last wins, as with Pillow."""

    texts: tuple[Text, ...]

    @cached_property
    def _by_keyword(self) -> dict[str, Text]:
        return {text.keyword.lower(): text for text in self.texts}

    def get(self, *keywords: str) -> Text | None:
        """Return the first of these that is there."""
        for keyword in keywords:
            if (text := self._by_keyword.get(keyword.lower())) is not None:
                return text
        return None

    def value(self, keyword: str) -> str:
        """Return the value of a text; an empty one when it is not there."""
        text = self.get(keyword)
        return "" if text is None else text.value

    def objects(self) -> Iterator[tuple[Text, dict[str, object]]]:
        """Yield the texts that are JSON objects, parsed once."""
        yield from self._objects

    @cached_property
    def _objects(self) -> list[tuple[Text, dict[str, object]]]:
        found = []
        for text in self.texts:
            if text.value.lstrip(" \t\r\n\ufeff")[:1] == "{":
                value = json_object(text.value)
                if value is not None:
                    found.append((text, value))
        return found


_COMMENTS: Final = frozenset({"UserComment", "ImageDescription"})
_FOLDED: Final = frozenset(
    {
        "invokeai_metadata", "invokeai_graph", "invokeai_workflow", "sd-metadata", "Dream",
        "parameters", "fooocus_scheme",
    }
)  # fmt: skip
"""Keywords of PNG texts that stand by themselves. Graphs and NovelAI's texts are known together."""


def unfolded(texts: Sequence[Text]) -> Iterator[Text]:
    """Yield the texts of a PNG that were put into one comment when it became another format."""
    for text in texts:
        if text.keyword not in _COMMENTS or text.value[:1] != "{":
            continue
        value = json_object(text.value)
        if value and _FOLDED & value.keys() and all(isinstance(one, str) for one in value.values()):
            for keyword, inner in value.items():
                yield Text(f"{text.source}: {keyword}", keyword, str(inner))
