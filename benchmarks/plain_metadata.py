"""The plainest reader of marks there can be: lists all images and reads the metadata of each.

    python -m benchmarks.plain_metadata URL

Prints the seconds it took as one line of JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import time

import httpx

CONNECTIONS = 8


async def _read(client: httpx.AsyncClient, names: list[str]) -> int:
    """Read what is left of `names`, one after the other; return how many had metadata."""
    found = 0
    while names:
        answer = await client.get(f"/images/i/{names.pop()}/metadata")
        answer.raise_for_status()
        found += bool(answer.json())
    return found


async def _measure(url: str) -> dict[str, float | int]:
    began = time.perf_counter()
    limits = httpx.Limits(max_connections=CONNECTIONS)
    async with httpx.AsyncClient(
        base_url=f"{url}/api/v1", timeout=60, limits=limits, trust_env=False
    ) as client:
        listed = await client.get("/images/names", params={"is_intermediate": "false"})
        names = list(listed.raise_for_status().json()["image_names"])
        found = await asyncio.gather(*(_read(client, names) for _ in range(CONNECTIONS)))
    return {"seconds": time.perf_counter() - began, "read": sum(found)}


def main() -> None:
    """Read everything and print what it took."""
    parser = argparse.ArgumentParser(description="Read all metadata with nothing but httpx.")
    parser.add_argument("url")
    options = parser.parse_args()
    print(json.dumps(asyncio.run(_measure(options.url))))


if __name__ == "__main__":
    main()
