"""How many of the fields are read, software by format, beside the library sd-parsers.

    PYTHONPATH=tests python -m generation_table [docs/generation-data.md]

Prints the table, or writes it into the page. sd-parsers is asked with all its effort.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from io import BytesIO
from pathlib import Path
from typing import Any

from boardsync.metadata import read_content
from generation_samples import Sample, samples

BEGIN, END = "<!-- table: begin -->\n", "<!-- table: end -->\n"


def ours(sample: Sample) -> dict[str, Any]:
    """What we read, by field."""
    return {name: each.value for name, each in read_content(sample.content).told()}


def theirs(sample: Sample) -> dict[str, Any]:
    """What sd-parsers reads, by our names of the fields. Whatever it raises is nothing read."""
    from sd_parsers import ParserManager
    from sd_parsers.extractors import Eagerness

    _forget()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # it calls what Pillow gives up
            found = ParserManager(eagerness=Eagerness.EAGER).parse(BytesIO(sample.content))
    except Exception:
        return {}
    if found is None or not found.samplers:
        return {}
    sampler = found.samplers[0]
    given = {**found.metadata, **sampler.parameters}
    size = str(given.get("Size", given.get("resolution", ""))).strip("()").replace(", ", "x")
    width, _, height = size.partition("x")
    named = {
        "prompt": "\n".join(str(each) for each in sampler.prompts),
        "negative_prompt": "\n".join(str(each) for each in sampler.negative_prompts),
        "sampler": sampler.name,
        "seed": given.get("seed", given.get("noise_seed")),
        "steps": given.get("steps"),
        "cfg": given.get("cfg_scale"),
        "scheduler": given.get("scheduler", given.get("noise_schedule")),
        "width": given.get("width", width),
        "height": given.get("height", height),
        "model": sampler.model.name if sampler.model else None,
        "model_hash": sampler.model.hash if sampler.model else None,
    }
    return {name: value for name, value in named.items() if value is not None}


def _forget() -> None:
    """Have it forget the picture before: it takes a new one at the same address for the old one."""
    for name in ("_jpeg_usercomment", "_png_stenographic_alpha"):
        module: Any = importlib.import_module(f"sd_parsers.extractors.{name}")
        module._image_id = None


def right(told: dict[str, Any], sample: Sample) -> int:
    """Count the fields that are as they should be; numbers may be told as text."""
    return sum(str(told.get(name)) == str(value) for name, value in sample.told.items())


def table() -> str:
    """Return the table in Markdown."""
    lines = ["| software | format | fields | boardsync | sd-parsers |", "|---|---|---|---|---|"]
    for one in samples():
        counts = (len(one.told), right(ours(one), one), right(theirs(one), one))
        lines.append(f"| {one.software} | {one.format} | {' | '.join(map(str, counts))} |")
    return "\n".join(lines) + "\n"


def page_with(page: str, made: str) -> str:
    """Return a page with its table replaced."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + made + END + rest.partition(END)[2]


if __name__ == "__main__":
    if len(sys.argv) > 1:
        page = Path(sys.argv[1])
        page.write_text(page_with(page.read_text(), table()))
    else:
        print(table(), end="")
