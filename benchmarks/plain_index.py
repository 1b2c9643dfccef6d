"""The plainest index there can be: walks a folder and hashes every file, in memory.

    python -m benchmarks.plain_index FOLDER

Prints the seconds it took as one line of JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import time


def _hash_below(folder: str, digests: dict[str, str]) -> None:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _hash_below(entry.path, digests)
            elif entry.stat(follow_symlinks=False).st_size >= 0:
                with open(entry.path, "rb") as stream:
                    digests[entry.path] = hashlib.sha256(stream.read()).hexdigest()


def main() -> None:
    """Hash a folder and print what it took."""
    parser = argparse.ArgumentParser(description="Hash a folder with nothing but the library.")
    parser.add_argument("folder")
    options = parser.parse_args()
    digests: dict[str, str] = {}
    began = time.perf_counter()
    _hash_below(options.folder, digests)
    print(json.dumps({"seconds": time.perf_counter() - began, "hashed": len(digests)}))


if __name__ == "__main__":
    main()
