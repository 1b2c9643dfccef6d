"""The picture formats boardsync knows: one table for scan, rules, pictures and docs.

Pure: names and bytes in, a `Format` out. It must not know files, clocks or decoders.
`formats.whole` tells whether content of one of these formats is complete.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """A kind of picture file.

    extensions: lower case with dot, the usual one first. end_mark: whether the bytes of
    such a file prove by an end mark, or by lengths all through, that nothing is missing;
    without it, completeness rests on arithmetic over a header, and a writer wants more
    patience. extra: the optional dependency `boardsync[extra]` that decodes it.
    """

    name: str
    extensions: tuple[str, ...]
    media_type: str
    end_mark: bool
    extra: str | None = None

    @property
    def extension(self) -> str:
        """The usual extension, with dot."""
        return self.extensions[0]


PNG = Format("PNG", (".png",), "image/png", end_mark=True)
JPEG = Format("JPEG", (".jpg", ".jpeg", ".jfif", ".jpe"), "image/jpeg", end_mark=True)
WEBP = Format("WebP", (".webp",), "image/webp", end_mark=True)
GIF = Format("GIF", (".gif",), "image/gif", end_mark=True)
TIFF = Format("TIFF", (".tif", ".tiff"), "image/tiff", end_mark=False)
BMP = Format("BMP", (".bmp",), "image/bmp", end_mark=False)
AVIF = Format("AVIF", (".avif",), "image/avif", end_mark=True)
HEIC = Format("HEIC", (".heic", ".heif"), "image/heic", end_mark=True, extra="heif")
ICO = Format("ICO", (".ico",), "image/vnd.microsoft.icon", end_mark=False)
TGA = Format("TGA", (".tga",), "image/x-tga", end_mark=False)
PPM = Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), "image/x-portable-anymap", end_mark=False)
JPEG_2000 = Format("JPEG 2000", (".jp2", ".j2k"), "image/jp2", end_mark=True)

FORMATS: tuple[Format, ...] = (
    PNG, JPEG, WEBP, GIF, TIFF, BMP, AVIF, HEIC, ICO, TGA, PPM, JPEG_2000,
)  # fmt: skip

SUPPORTED_FILE_EXTENSIONS: frozenset[str] = frozenset(
    extension for known in FORMATS for extension in known.extensions
)

BUILT_IN: frozenset[str] = frozenset(known.name for known in FORMATS if known.extra is None)
"""Names of the formats that every Pillow reads, without an extra of ours."""

HEAD_SIZE = 64
"""How many leading bytes `sniff` looks at; fewer are allowed."""

_BY_EXTENSION = {extension.encode(): known for known in FORMATS for extension in known.extensions}

_BY_MAGIC: tuple[tuple[bytes, Format], ...] = (
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\xff\xd8\xff", JPEG),
    (b"GIF87a", GIF),
    (b"GIF89a", GIF),
    (b"II*\0", TIFF),
    (b"MM\0*", TIFF),
    (b"II+\0", TIFF),
    (b"MM\0+", TIFF),
    (b"\0\0\1\0", ICO),
    (b"\0\0\0\x0cjP  \r\n\x87\n", JPEG_2000),
    (b"\xff\x4f\xff\x51", JPEG_2000),
)

_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"})
_DIB_HEADERS = frozenset({12, 40, 52, 56, 64, 108, 124})
_TGA_DEPTHS = {1: (8,), 2: (16, 24, 32), 3: (1, 8, 16)}


def format_by_extension(name: bytes | str) -> Format | None:
    """Return the format that a file's name promises, by its extension in any case.

    name: a name or a path with `/`; bytes need not be UTF-8. A name that is nothing but
    an extension (`.png`) is a hidden file, not a picture.
    """
    raw = name if isinstance(name, bytes) else name.encode("utf-8", "surrogatepass")
    stem, dot, ending = raw.rpartition(b"/")[2].rpartition(b".")
    return _BY_EXTENSION.get((dot + ending).lower()) if stem else None


def is_supported_file(name: bytes | str) -> bool:
    """Tell whether a file's name promises a picture that boardsync mirrors."""
    return format_by_extension(name) is not None


def sniff(head: bytes) -> Format | None:
    """Return the format that the first bytes of a file prove, whatever its name says.

    head: the first `HEAD_SIZE` bytes, or all there are.
    """
    for magic, known in _BY_MAGIC:
        if head.startswith(magic):
            return known
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return WEBP
    if head[4:8] == b"ftyp":
        return _by_brand(head)
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _DIB_HEADERS:
        return BMP
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].isspace():
        return PPM
    return TGA if _looks_like_tga(head) else None


def _by_brand(head: bytes) -> Format | None:
    """Tell AVIF from HEIC: the major brand first, the compatible ones where it is neutral."""
    box = head[: int.from_bytes(head[:4], "big")]
    brands = [box[8:12], *(box[start : start + 4] for start in range(16, len(box) - 3, 4))]
    for brand in brands:
        if brand in _AVIF_BRANDS:
            return AVIF
        if brand in _HEIC_BRANDS:
            return HEIC
    return None


def _looks_like_tga(head: bytes) -> bool:
    """TGA has no magic: demand that every field of its header makes sense."""
    if len(head) < 18 or head[1] > 1 or head[2] & ~8 not in _TGA_DEPTHS:
        return False
    has_map, kind, map_depth, depth, flags = head[1], head[2] & ~8, head[7], head[16], head[17]
    if has_map and map_depth not in (15, 16, 24, 32):
        return False
    if not has_map and (kind == 1 or any(head[3:8])):
        return False
    has_size = any(head[12:14]) and any(head[14:16])
    return has_size and depth in _TGA_DEPTHS[kind] and flags < 0x40
