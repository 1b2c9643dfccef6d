"""What is kept of an XMP packet: the texts that our reader knows, and which way is up."""

from __future__ import annotations

import re
from html import escape
from typing import Final

from boardsync.formats.embedded import xmp
from boardsync.formats.embedded.texts import Findings

KEYWORD: Final = "XML:com.adobe.xmp"
"""Under which PNGs have their packet."""
JPEG_PREFIX: Final = b"http://ns.adobe.com/xap/1.0/\0"

_ORIENTATION: Final = re.compile(rb'(tiff:Orientation(?:="|>))([0-9])')
"""As Pillow looks for it: where EXIF is silent, this turns a picture."""
_SPACES: Final = {
    "exif": "http://ns.adobe.com/exif/1.0/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "xmp": "http://ns.adobe.com/xap/1.0/",
    "tiff": "http://ns.adobe.com/tiff/1.0/",
    "Iptc4xmpExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
}


def kept_packet(raw: bytes) -> bytes:
    """Return a packet that holds what is kept of another one; empty when that is nothing."""
    findings = Findings()
    xmp.read(raw, "XMP", findings)
    told = {one.source.removeprefix("XMP "): one.value for one in findings.texts}
    turn = _ORIENTATION.search(raw)
    if turn is not None:
        told["tiff:Orientation"] = turn[2].decode()
    return _packet(told) if told else b""


def upright_packet(raw: bytes) -> bytes:
    """Return the packet of a picture that was turned upright."""
    return _ORIENTATION.sub(rb"\g<1>1", raw)


def _packet(told: dict[str, str]) -> bytes:
    prefixes = sorted({name.partition(":")[0] for name in told if ":" in name})
    spaces = "".join(
        f' xmlns:{prefix}="{_SPACES.get(prefix, f"urn:{prefix}")}"' for prefix in prefixes
    )
    body = "".join(f"<{name}>{escape(value, quote=False)}</{name}>" for name, value in told.items())
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        f'<rdf:Description rdf:about=""{spaces}>{body}</rdf:Description></rdf:RDF></x:xmpmeta>'
    ).encode("utf-8", "replace")
