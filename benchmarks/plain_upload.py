"""The plainest uploader there can be: reads files and posts them, two at a time.

    python -m benchmarks.plain_upload URL BOARD FOLDER

It neither hashes nor checks nor records anything. Sends the same form as boardsync does, a
mark of the same length included, and prints the seconds it took as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path

import httpx

CONNECTIONS = 2
METADATA = json.dumps({"benchmark": "x" * 236}, separators=(",", ":"))


async def _send_all(url: str, board_id: str, paths: Iterator[Path]) -> None:
    """Send what is left of `paths`, one after the other."""
    address = f"{url}/api/v1/images/upload"
    params = {"image_category": "user", "is_intermediate": "false", "board_id": board_id}
    limits = httpx.Limits(max_connections=1)
    async with httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as client:
        for path in paths:
            file = ("picture", path.read_bytes(), "image/png")
            answer = await client.post(
                address, params=params, files={"file": file}, data={"metadata": METADATA}
            )
            answer.raise_for_status()


async def _measure(url: str, board_id: str, folder: Path) -> dict[str, float | int]:
    found = sorted(folder.rglob("*.png"))
    paths = iter(found)
    began = time.perf_counter()
    await asyncio.gather(*(_send_all(url, board_id, paths) for _ in range(CONNECTIONS)))
    return {"seconds": time.perf_counter() - began, "uploaded": len(found)}


def main() -> None:
    """Send a folder and print what it took."""
    parser = argparse.ArgumentParser(description="Upload a folder with nothing but httpx.")
    parser.add_argument("url")
    parser.add_argument("board")
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_measure(options.url, options.board, options.folder))))


if __name__ == "__main__":
    main()
