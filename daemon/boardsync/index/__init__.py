"""What can be derived from pictures and thrown away again: the search index, and thumbnails.

Nothing here is worth a backup. A file that is damaged, or of another version, is made anew. It
must not know of mirrors, servers or the state: whoever does hands in folders and what is in them.
"""
