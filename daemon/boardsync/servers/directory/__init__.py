"""The directory kind: sub-directories of a local or network path are boards.

PATH/.boardsync-server          says that this is the directory we know
PATH/<board>/<...>/name.png     an item, at any depth
PATH/<board>/<...>/.boardsync/  marks of the items beside it, and uploads under way
PATH/.boardsync/trash/<key>/    what was removed, with its mark, until it is purged
"""

from boardsync.servers.directory.server import DirectoryServer

__all__ = ["DirectoryServer"]
