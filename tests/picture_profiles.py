"""ICC profiles for tests, written from their published numbers: none has to be installed.

Layout: ICC.1:2001-04. Colorants are adapted to D50, as profiles hold them.
"""

from __future__ import annotations

import struct
from itertools import product

_D50 = (0.9642, 1.0, 0.8249)

_ADOBE_RGB = ((0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457))
_DISPLAY_P3 = (
    (0.51512, 0.24120, -0.00105),
    (0.29198, 0.69225, 0.04189),
    (0.15710, 0.06657, 0.78407),
)
_SRGB = ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410))


def _fixed(*numbers: float) -> bytes:
    return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)


def _xyz(numbers: tuple[float, float, float]) -> bytes:
    return b"XYZ \0\0\0\0" + _fixed(*numbers)


def _gamma(value: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def _srgb_curve(points: int = 1024) -> bytes:
    levels = [index / (points - 1) for index in range(points)]
    light = [v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in levels]
    values = struct.pack(f">{points}H", *(round(v * 65535) for v in light))
    return b"curv\0\0\0\0" + struct.pack(">I", points) + values


def _description(text: str) -> bytes:
    raw = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(raw)) + raw + bytes(8 + 3 + 67)


def _profile(space: bytes, connection: bytes, kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _description("for tests"), b"cprt": b"text\0\0\0\0none\0", **tags}
    position = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        table += name + struct.pack(">II", position + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(
        ">I4sI4s4s4s", position + len(body), b"lcms", 0x02100000, kind, space, connection
    )
    header += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + _fixed(*_D50)
    return header.ljust(128, b"\0") + table + body


def _rgb(colorants: tuple[tuple[float, float, float], ...], curve: bytes) -> bytes:
    tags = {b"wtpt": _xyz(_D50)}
    for name, colorant in zip((b"r", b"g", b"b"), colorants, strict=True):
        tags |= {name + b"XYZ": _xyz(colorant), name + b"TRC": curve}
    return _profile(b"RGB ", b"XYZ ", b"mntr", tags)


def _lab(cyan: int, magenta: int, yellow: int, black: int) -> bytes:
    """A rough ink model: enough that converting without the profile looks different."""
    lightness = (
        96 * (1 - 0.4 * cyan) * (1 - 0.5 * magenta) * (1 - 0.05 * yellow) * (1 - 0.9 * black)
    )
    a = (-35 * cyan + 70 * magenta - 5 * yellow) * (1 - black)
    b = (-45 * cyan - 5 * magenta + 85 * yellow) * (1 - black)
    return bytes((round(lightness * 2.55), round(a) + 128, round(b) + 128))


def _cmyk() -> bytes:
    ramp = bytes(range(256))
    table = b"".join(_lab(*corner) for corner in product((0, 1), repeat=4))
    identity = _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    lut = b"mft1\0\0\0\0" + bytes((4, 3, 2, 0)) + identity + ramp * 4 + table + ramp * 3
    return _profile(b"CMYK", b"Lab ", b"prtr", {b"wtpt": _xyz(_D50), b"A2B0": lut})


ADOBE_RGB = _rgb(_ADOBE_RGB, _gamma(2.19921875))
DISPLAY_P3 = _rgb(_DISPLAY_P3, _srgb_curve())
SRGB = _rgb(_SRGB, _srgb_curve())
GRAY_GAMMA_1 = _profile(b"GRAY", b"XYZ ", b"mntr", {b"wtpt": _xyz(_D50), b"kTRC": _gamma(1.0)})
GRAY_SRGB = _profile(b"GRAY", b"XYZ ", b"mntr", {b"wtpt": _xyz(_D50), b"kTRC": _srgb_curve()})
CMYK = _cmyk()
BROKEN = ADOBE_RGB[:100] + b"\xff" * 60
