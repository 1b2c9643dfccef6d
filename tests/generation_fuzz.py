"""Fuzzes the readers of generation data with atheris, guided by what each input reaches.

    PYTHONPATH=tests python -m generation_fuzz CORPUS -max_total_time=60

Anything raised but a refusal ends it with a code that is not 0, and the input is kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

import atheris  # type: ignore[import-not-found]

with atheris.instrument_imports(include=["boardsync.formats", "boardsync.picture.generation"]):
    from boardsync.errors import PictureRefused
    from boardsync.metadata import read_content


def one(content: bytes) -> None:
    """Read any bytes."""
    try:
        data = read_content(content, pixels=False)
    except PictureRefused:
        return
    hash(data)
    "".join(each.source for _, each in (*data.told(), *data.more)).encode()


def main() -> None:
    """Run until the time is up. A corpus that is empty begins with the samples."""
    corpus = Path(sys.argv[1])
    if not any(corpus.iterdir()):
        from generation_samples import samples

        for number, each in enumerate(samples()):
            (corpus / str(number)).write_bytes(each.content)
    atheris.Setup(sys.argv, one)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
