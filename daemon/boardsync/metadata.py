"""How pictures were generated, for programs: needs no daemon, no settings and no server.

    from boardsync.metadata import read, read_parameters

    data = read("picture.png")
    print(data.prompt.value if data.prompt else "no prompt is told")

Every function may be called from any number of threads. A path may name anything: nothing but a
regular file is read, and nothing is waited for. Errors are those of `boardsync.errors`:
`Missing`, `PictureRefused`, and `TryAgain` for what may be readable later.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import BinaryIO, Final, TypedDict

from boardsync.errors import BoardsyncError, FileChanging, Missing, PictureRefused, TryAgain
from boardsync.files.disk import PathArg
from boardsync.files.snapshot import reading
from boardsync.formats import (
    FORMATS,
    HEAD_SIZE,
    PNG,
    WEBP,
    is_supported_file,
    sniff,
)
from boardsync.formats.embedded import InMemory, Readable, Text, embedded_texts
from boardsync.picture.generation import GenerationData, Lora, Scalar, Told, interpret
from boardsync.picture.grouping import Group, Picture, grouped, id_and_seed, in_order

__all__ = [
    "SUPPORTED_FILE_EXTENSIONS",
    "GenerationData",
    "Group",
    "Lora",
    "Parameters",
    "Picture",
    "Scalar",
    "Text",
    "Told",
    "extract_id_and_seed",
    "groups",
    "is_supported_file",
    "read",
    "read_content",
    "read_parameters",
]

SUPPORTED_FILE_EXTENSIONS: Final = tuple(
    extension for known in FORMATS for extension in known.extensions
)
"""Extensions of the pictures that boardsync mirrors, in lower case with dot, the usual first."""

_HIDING: Final = (PNG, WEBP)
"""Formats whose pixels may hide texts: those that keep every bit."""


class Parameters(TypedDict):
    """What `read_parameters` returns. raw: the texts as they were found."""

    prompt: str
    negative_prompt: str
    generation_params: dict[str, Scalar]
    raw: str


def read(path: PathArg, *, pixels: bool = True) -> GenerationData:
    """Read how a picture was generated.

    pixels: where its texts tell nothing, decode it and look for texts that its pixels hide. A
    picture that tells nothing at all gives a record without values. Raises Missing,
    PictureRefused for what is no picture or may not be read, and TryAgain.
    """
    with _opened(path) as (stream, size):
        return _read(_Stream(stream, size), pixels)


def read_content(content: bytes, *, pixels: bool = True) -> GenerationData:
    """Read how a picture was generated from its bytes. Raises PictureRefused."""
    return _read(InMemory(content), pixels)


def read_parameters(path: PathArg) -> Parameters:
    """Read a picture's prompts, its parameters by name, and the text they were read from.

    What is not told is empty. Raises as `read` does.
    """
    data = read(path)
    told = {name: each.value for name, each in data.told()}
    prompt, negative = told.pop("prompt", ""), told.pop("negative_prompt", "")
    parameters: dict[str, Scalar] = dict(told)
    if data.loras:
        parameters["loras"] = ", ".join(_lora_words(each.value) for each in data.loras)
    for name, each in data.more:
        parameters.setdefault(name, each.value)
    return Parameters(
        prompt=str(prompt),
        negative_prompt=str(negative),
        generation_params=parameters,
        raw=_raw(data.texts),
    )


def extract_id_and_seed(name: str | os.PathLike[str]) -> tuple[int, int] | tuple[None, None]:
    """Return id and seed of a picture named `{id}-{seed}.ext`; twice None for any other name."""
    return id_and_seed(os.path.basename(os.fspath(name)))


def groups(
    folder: PathArg,
    *,
    recursive: bool = False,
    data: bool = True,
    pixels: bool = True,
    unlisted: list[tuple[str, str]] | None = None,
) -> Iterator[Group]:
    """Group a folder's pictures by consecutive seeds, each directory by itself.

    Pictures named `{id}-{seed}.ext` have their seeds from there, others from their generation
    data; where both tell one and disagree, the name wins and the picture says so. recursive: the
    directories below, too, in the order of their names. data: False reads no file, so that
    names alone count. pixels: as for `read`, and only for pictures whose names tell no seed.

    Left alone are what a mirror never sends (hidden and temporary files) and symlinks. A picture
    that cannot be read says so in its record and is grouped by its name. unlisted: gets the
    directories below that could not be listed, with the reason, the first thousand of them.
    The first group that is asked for raises FolderAway, or Missing for what names no folder.
    """
    # Rules need a library of patterns, which reading a picture does not.
    from boardsync.local.ignore import Rules
    from boardsync.local.scan import ScanReport, directories

    name = os.fsencode(folder)
    if not name or b"\0" in name:
        raise Missing(f"{os.fsdecode(name)!r}: no folder can have this name")
    root = os.path.abspath(name)
    report = ScanReport()
    for directory, names in directories(root, Rules(pull_into=None), report, recursive=recursive):
        ordered = in_order(os.fsdecode(name) for name in names)
        del names
        place = os.path.join(root, directory)
        told = (_with_data(place, each, pixels) for each in ordered) if data else ordered
        yield from grouped(told, os.fsdecode(directory))
        del ordered, told  # before the next directory is listed
    if unlisted is not None:
        unlisted += ((os.fsdecode(path), why) for path, why in report.unreadable)


def _with_data(directory: bytes, picture: Picture, pixels: bool) -> Picture:
    """Complete what the name tells by what the generation data does."""
    path = os.path.join(directory, os.fsencode(picture.name))
    try:
        seed = read(path, pixels=pixels and picture.seed is None).seed
    except BoardsyncError as error:
        words = str(error).removeprefix(f"{os.fsdecode(path)}: ")
        return replace(picture, error=words, try_again=isinstance(error, TryAgain))
    if seed is None or seed.value == picture.seed:
        return picture
    if picture.seed is None:
        return replace(picture, seed=seed.value, source=seed.source)
    return replace(picture, other=seed)


def _raw(texts: tuple[Text, ...]) -> str:
    if len(texts) == 1:
        return texts[0].value
    return "\n".join(f"{text.keyword}: {text.value}" for text in texts)


def _lora_words(lora: Lora) -> str:
    return lora.name if lora.weight is None else f"{lora.name}:{lora.weight:g}"


@dataclass(frozen=True, slots=True)
class _Stream:
    """An open file, read in pieces: only what is looked at costs memory."""

    stream: BinaryIO
    size: int

    def at(self, start: int, count: int) -> bytes:
        if not 0 <= start < self.size or count <= 0:
            return b""
        self.stream.seek(start)
        return self.stream.read(min(count, self.size - start))


@contextmanager
def _opened(path: PathArg) -> Iterator[tuple[BinaryIO, int]]:
    """Open a regular file, through symlinks. Raises Missing, PictureRefused, TryAgain."""
    try:
        with reading(os.path.realpath(path)) as stream:
            yield stream, os.fstat(stream.fileno()).st_size
    except ValueError as error:
        raise Missing(f"{os.fsdecode(path)!r}: no file can have this name") from error
    except FileChanging as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise Missing(f"{os.fsdecode(path)}: there is no such file") from error
        raise


def _read(content: Readable, pixels: bool) -> GenerationData:
    embedded = embedded_texts(content)
    if embedded.format is None:
        _refuse(content)
    data = interpret(embedded.texts, embedded.troubles)
    if data.found or not pixels or embedded.format not in _HIDING:
        return data
    # Pillow is loaded only where pixels have to be looked at.
    from boardsync.picture.stealth import hidden_text

    text, trouble = hidden_text(content)
    texts = (*embedded.texts, *((text,) if text else ()))
    return interpret(texts, (*embedded.troubles, *((trouble,) if trouble else ())))


def _refuse(content: Readable) -> None:
    if not content.size:
        raise PictureRefused("the content is empty")
    if sniff(content.at(0, HEAD_SIZE)) is None:
        raise PictureRefused("not a picture: no known format begins so")
