"""InvokeAI: boards, images and their metadata over its HTTP API, versions 5.13 to 6.14."""

from __future__ import annotations

from boardsync.servers.invokeai.client import InvokeAIClient
from boardsync.servers.invokeai.server import InvokeAIServer

__all__ = ["InvokeAIClient", "InvokeAIServer"]
