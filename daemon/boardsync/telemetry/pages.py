"""The command line of pages that are generated: write one, or tell whether it has drifted."""

from __future__ import annotations

import argparse
from pathlib import Path


def write_or_compare(arguments: list[str] | None, what: str, wanted: str) -> int:
    """Do what the command line of a generated page says; return its exit code."""
    parser = argparse.ArgumentParser(description=f"Write {what}.")
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("path", type=Path, help="its file")
    options = parser.parse_args(arguments)
    path: Path = options.path
    if not options.check:
        path.write_text(wanted, encoding="utf-8")
        return 0
    if path.is_file() and path.read_text(encoding="utf-8") == wanted:
        return 0
    print(f"{path} has drifted: {what} says something else by now; run `make docs`.")
    return 1
