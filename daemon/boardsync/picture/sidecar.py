"""What sidecars hold: how a picture was generated, and where it came from, as JSON or XMP.

Pure: a record in, text out. The namespace of the XMP is described in `docs/generation-data.md`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from html import escape
from typing import Any, Final

from boardsync.picture.generation import GenerationData, Lora, Told
from boardsync.plan.sidecars import NO_CHECKSUM, Kind, signed

VERSION: Final = 1
NAMESPACE: Final = "urn:boardsync:picture:1.0:"

_NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_FACT: Final = re.compile(r"<boardsync:(\w+)>([^<]*)</boardsync:\1>")
_NAMES: Final = {"negative_prompt": "negativePrompt", "model_hash": "modelHash"}
_OPEN: Final = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    ' <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\n'
    '  <rdf:Description rdf:about=""\n'
    '    xmlns:dc="http://purl.org/dc/elements/1.1/"\n'
    '    xmlns:xmp="http://ns.adobe.com/xap/1.0/"\n'
    f'    xmlns:boardsync="{NAMESPACE}">\n'
)
_CLOSE: Final = '  </rdf:Description>\n </rdf:RDF>\n</x:xmpmeta>\n<?xpacket end="w"?>\n'


@dataclass(frozen=True, slots=True)
class Facts:
    """Where a pulled picture came from; None is what is not known. created: in ISO 8601, UTC."""

    mirror: str | None = None
    server: str | None = None
    board: str | None = None
    item: str | None = None
    created: str | None = None

    @property
    def known(self) -> Mapping[str, str]:
        """Those that are known, by name."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def sidecar(kind: Kind, data: GenerationData, digest: str, facts: Facts) -> bytes:
    """Return the bytes of a sidecar. digest: SHA-256 of the picture."""
    write = _as_xmp if kind is Kind.XMP else _as_json
    return signed(write(data, {"sha256": digest, **facts.known}))


def facts_in(kind: Kind, content: bytes, digest: str) -> Facts:
    """Return what a sidecar of ours tells of where this very picture came from."""
    told = _told_by_xmp(content) if kind is Kind.XMP else _told_by_json(content)
    if told.get("sha256") != digest:
        return Facts()
    known = {name: told[name] for name in Facts.__slots__ if isinstance(told.get(name), str)}
    return Facts(**known)


def as_record(data: GenerationData, *, raw: bool = False) -> dict[str, Any]:
    """Return generation data for JSON. raw: with the texts as they were found."""
    record: dict[str, Any] = {name: _told(told) for name, told in data.told()}
    record["loras"] = [
        {"name": each.value.name, "weight": each.value.weight, "hash": each.value.hash}
        | {"source": each.source}
        for each in data.loras
    ]
    record["more"] = {name: _told(told) for name, told in data.more}
    record["troubles"] = list(data.troubles)
    if raw:
        record["texts"] = [
            {"source": text.source, "keyword": text.keyword, "text": text.value}
            for text in data.texts
        ]
    return record


def _told(told: Told[Any]) -> dict[str, Any]:
    return {"value": told.value, "source": told.source}


def _as_json(data: GenerationData, facts: Mapping[str, str]) -> str:
    own = {"sidecar": VERSION, "checksum": NO_CHECKSUM, **facts}
    text = json.dumps({"boardsync": own, **as_record(data)}, indent=2, ensure_ascii=False)
    return text + "\n"


def _told_by_json(content: bytes) -> Mapping[str, Any]:
    try:
        own = json.loads(content)["boardsync"]
    except (ValueError, RecursionError, KeyError, TypeError):
        return {}
    return own if isinstance(own, dict) else {}


def _as_xmp(data: GenerationData, facts: Mapping[str, str]) -> str:
    return _OPEN + "".join(_properties(data, facts)) + _CLOSE


def _properties(data: GenerationData, facts: Mapping[str, str]) -> Iterator[str]:
    yield _simple("boardsync:sidecar", VERSION)
    yield _simple("boardsync:checksum", NO_CHECKSUM)
    for name, value in facts.items():
        yield _simple(f"boardsync:{name}", value)
    if data.prompt is not None:
        text = _text(data.prompt.value)
        alternative = f'<rdf:li xml:lang="x-default">{text}</rdf:li>'
        yield _line("dc:description", f"<rdf:Alt>{alternative}</rdf:Alt>")
    if "created" in facts:
        yield _simple("xmp:CreateDate", facts["created"])
    if data.software is not None:
        yield _simple("xmp:CreatorTool", data.software.value)
    for name, told in data.told():
        yield _simple(f"boardsync:{_NAMES.get(name, name)}", told.value)
    if data.loras:
        yield _bag("loras", (_lora(each.value) for each in data.loras))
    if data.more:
        yield _bag("more", (f"{name}: {each.value}" for name, each in data.more))


def _told_by_xmp(content: bytes) -> Mapping[str, str]:
    """Read the simple properties of our own, as we write them: no parser is handed to strangers."""
    text = content.decode("utf-8", "replace")
    entities = {"&lt;": "<", "&gt;": ">", "&#13;": "\r", "&amp;": "&"}
    found: dict[str, str] = {}
    for name, value in _FACT.findall(text):
        for entity, letter in entities.items():
            value = value.replace(entity, letter)
        found.setdefault(name, value)
    return found


def _simple(name: str, value: object) -> str:
    return _line(name, _text(value))


def _bag(name: str, values: Iterator[str]) -> str:
    entries = "".join(f"<rdf:li>{_text(value)}</rdf:li>" for value in values)
    return _line(f"boardsync:{name}", f"<rdf:Bag>{entries}</rdf:Bag>")


def _line(name: str, inner: str) -> str:
    return f"   <{name}>{inner}</{name}>\n"


def _lora(lora: Lora) -> str:
    return lora.name if lora.weight is None else f"{lora.name}:{lora.weight:g}"


def _text(value: object) -> str:
    """Return a value for XML. What XML cannot hold at all is replaced."""
    return escape(_NOT_XML.sub("\ufffd", str(value)), quote=False).replace("\r", "&#13;")
