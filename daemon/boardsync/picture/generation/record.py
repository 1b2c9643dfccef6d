"""The record of how a picture was generated, and the draft that parsers fill in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Final, Generic, TypeVar

from boardsync.formats.embedded import Text
from boardsync.picture.generation.values import Scalar, clean, decimal, scalar, whole, words

__all__ = ["MOST_LORAS", "MOST_MORE", "Draft", "GenerationData", "Lora", "Scalar", "Told"]

T = TypeVar("T")

MOST_MORE: Final = 500
"""Parameters kept beside the known ones; extensions write some dozens."""
MOST_LORAS: Final = 200
"""LoRAs kept of one picture."""


@dataclass(frozen=True, slots=True)
class Told(Generic[T]):
    """A value, and the place it was read from: chunk or tag, then key or node."""

    value: T
    source: str


@dataclass(frozen=True, slots=True)
class Lora:
    """A LoRA. weight: that of the picture model, None when it is not told."""

    name: str
    weight: float | None = None
    hash: str | None = None


@dataclass(frozen=True, slots=True)
class GenerationData:
    """How a picture was generated, as far as its texts tell. None is what they do not tell.

    width, height: of the generation, which may be smaller than the picture. more: everything
    else that has a name, in the words of the software. texts: all texts as they were found.
    troubles: what could not be read, with the reason.
    """

    software: Told[str] | None = None
    prompt: Told[str] | None = None
    negative_prompt: Told[str] | None = None
    seed: Told[int] | None = None
    steps: Told[int] | None = None
    sampler: Told[str] | None = None
    scheduler: Told[str] | None = None
    cfg: Told[float] | None = None
    width: Told[int] | None = None
    height: Told[int] | None = None
    model: Told[str] | None = None
    model_hash: Told[str] | None = None
    loras: tuple[Told[Lora], ...] = ()
    more: tuple[tuple[str, Told[Scalar]], ...] = ()
    texts: tuple[Text, ...] = ()
    troubles: tuple[str, ...] = ()

    @property
    def found(self) -> bool:
        """Tell whether there is anything but texts."""
        return any(True for _ in self.told())

    def told(self) -> Iterator[tuple[str, Told[str] | Told[int] | Told[float]]]:
        """Yield the single values that are told, by their names, in the order above."""
        for name in SINGLE:
            value = getattr(self, name)
            if value is not None:
                yield name, value


SINGLE: Final = tuple(each.name for each in fields(GenerationData))[:12]
"""Names of the fields that hold one value."""


@dataclass(slots=True)
class Draft:
    """A record in the making. The first value of a field stays; empty ones are not taken.

    where: the text it is read from; places within it are added by the setters.
    """

    where: str
    software: Told[str] | None = None
    prompt: Told[str] | None = None
    negative_prompt: Told[str] | None = None
    seed: Told[int] | None = None
    steps: Told[int] | None = None
    sampler: Told[str] | None = None
    scheduler: Told[str] | None = None
    cfg: Told[float] | None = None
    width: Told[int] | None = None
    height: Told[int] | None = None
    model: Told[str] | None = None
    model_hash: Told[str] | None = None
    loras: list[Told[Lora]] = field(default_factory=list)
    more: dict[str, Told[Scalar]] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    def text(self, name: str, value: object, place: str) -> None:
        """Set a field of text. A prompt is kept as it is written, blanks around it left out."""
        found = words(value)
        if found is not None:
            self._set(name, found, place)

    def whole(self, name: str, value: object, place: str) -> None:
        """Set a field of a whole number, from a number or its digits."""
        found = whole(value)
        if found is not None:
            self._set(name, found, place)

    def decimal(self, name: str, value: object, place: str) -> None:
        """Set a field of a number."""
        found = decimal(value)
        if found is not None:
            self._set(name, found, place)

    def put(self, name: str, value: object, place: str) -> None:
        """Set a field of any type, by its name."""
        setter = {"cfg": self.decimal} | dict.fromkeys(WHOLE, self.whole)
        setter.get(name, self.text)(name, value, place)

    def size(self, width: object, height: object, place: str) -> None:
        """Set width and height, or neither."""
        if whole(width) is not None and whole(height) is not None:
            self.whole("width", width, place)
            self.whole("height", height, place)

    def add_lora(self, name: object, weight: object, place: str, digest: object = None) -> None:
        """Add a LoRA. One that is told already only gains what was not known of it."""
        found = words(name)
        if found is None or found == "None" or len(self.loras) >= MOST_LORAS:
            return
        lora = Lora(found, decimal(weight), words(digest))
        for index, known in enumerate(self.loras):
            if known.value.name == found and lora.weight in (None, known.value.weight):
                better = Lora(found, known.value.weight, known.value.hash or lora.hash)
                self.loras[index] = Told(better, known.source)
                return
        self.loras.append(Told(lora, self.place(place)))

    def add(self, name: str, value: object, place: str) -> None:
        """Keep a value that has no field of its own. What is nested becomes JSON text."""
        found = scalar(value)
        if found is not None and found != "" and len(self.more) < MOST_MORE:
            self.more.setdefault(clean(name), Told(found, self.place(place)))

    def add_rest(self, values: Mapping[str, object], used: frozenset[str], prefix: str) -> None:
        """Keep everything of an object that has no field of its own."""
        for key, value in values.items():
            if key not in used:
                self.add(key, value, f"{prefix}{key}")

    def place(self, within: str) -> str:
        """Return the source of something within the text."""
        return clean(f"{self.where}: {within}" if within else self.where)

    def fill_from(self, other: Draft) -> None:
        """Take over what the other one tells and this one does not."""
        for name in SINGLE:
            if getattr(self, name) is None:
                setattr(self, name, getattr(other, name))
        self.loras = self.loras or other.loras
        self.more = other.more | self.more
        self.troubles += other.troubles

    @property
    def tells(self) -> bool:
        """Tell whether it says more than who made the picture."""
        return any(getattr(self, name) is not None for name in SINGLE[1:])

    def finish(self, texts: tuple[Text, ...], troubles: tuple[str, ...]) -> GenerationData:
        """Return the record."""
        single = {name: getattr(self, name) for name in SINGLE}
        return GenerationData(
            **single,
            loras=tuple(self.loras),
            more=tuple(self.more.items()),
            texts=texts,
            troubles=(*troubles, *self.troubles),
        )

    def _set(self, name: str, value: object, place: str) -> None:
        if getattr(self, name) is None:
            setattr(self, name, Told(value, self.place(place)))


WHOLE: Final = ("seed", "steps", "width", "height")
