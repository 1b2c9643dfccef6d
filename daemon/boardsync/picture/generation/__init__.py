"""What the texts of a picture tell of how it was generated: prompt, seed, model, and the rest.

Pure: texts in, one frozen `GenerationData` out. Every parser takes any text, however hostile,
never raises, and keeps to the limits of `values`. `boardsync.formats.embedded` finds the texts,
`boardsync.picture.stealth` those hidden in pixels.
"""

from __future__ import annotations

from boardsync.picture.generation.interpret import interpret
from boardsync.picture.generation.record import GenerationData, Lora, Scalar, Told

__all__ = ["GenerationData", "Lora", "Scalar", "Told", "interpret"]
