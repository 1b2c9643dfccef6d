"""The texts of an XMP packet: properties by their names, such as `exif:UserComment`.

A packet is XML of strangers. Entities, which can grow without end, are refused before anything
is expanded; XMP has no use for them.
"""

from __future__ import annotations

from typing import Final
from xml.parsers import expat

from boardsync.formats.embedded.texts import Findings

MOST_XMP: Final = 1024 * 1024
"""Bytes of one packet. Editors' histories reach some hundred kilobytes."""
_MOST_DEPTH: Final = 64
_WANTED: Final = {
    "usercomment": "UserComment",
    "description": "Description",
    "creatortool": "CreatorTool",
    "parameters": "parameters",
    "title": "Title",
    "prompt": "prompt",
    "workflow": "workflow",
    "aipromptinformation": "AIPromptInformation",
    "aisystemused": "AISystemUsed",
}


class _Refused(Exception):
    """The packet is not one that is read."""


class _Packet:
    """Collects the text of the wanted properties, written as elements or as attributes."""

    def __init__(self) -> None:
        self.found: dict[str, str] = {}
        self._path: list[str] = []
        self._name: str | None = None
        self._depth = 0
        self._pieces: list[str] = []

    def start(self, element: str, attributes: dict[str, str]) -> None:
        if len(self._path) >= _MOST_DEPTH:
            raise _Refused(f"nested deeper than {_MOST_DEPTH} elements")
        local = element.rpartition(":")[2]
        self._path.append(element)
        for attribute, value in attributes.items():
            self._keep(attribute, value)
        wanted = local.lower() in _WANTED and element != "rdf:Description"
        if self._name is None and wanted:
            self._name, self._depth, self._pieces = element, len(self._path), []

    def end(self, _: str) -> None:
        if self._name is not None and len(self._path) == self._depth:
            self._keep(self._name, "".join(self._pieces))
            self._name = None
        self._path.pop()

    def text(self, piece: str) -> None:
        if self._name is not None:
            self._pieces.append(piece)

    def _keep(self, name: str, value: str) -> None:
        if name.rpartition(":")[2].lower() in _WANTED and value.strip():
            self.found.setdefault(name, value.strip())


def read(raw: bytes, source: str, findings: Findings) -> None:
    """Collect a packet's texts. What was read before a fault in it counts."""
    if len(raw) > MOST_XMP:
        findings.trouble(f"{source}: left out, {len(raw)} bytes, {MOST_XMP} are read")
        return
    packet = _Packet()
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = packet.start
    parser.EndElementHandler = packet.end
    parser.CharacterDataHandler = packet.text
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(raw.strip(b"\0 \r\n\t"), True)
    except (expat.ExpatError, _Refused, ValueError, LookupError) as error:
        findings.trouble(f"{source}: damaged ({error})")
    for name, value in packet.found.items():
        keyword = _WANTED[name.rpartition(":")[2].lower()]
        findings.add(f"{source} {name}", keyword, value, 0)


def _refuse_doctype(*_: object) -> None:
    raise _Refused("it declares a document type")
