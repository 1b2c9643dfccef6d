"""`python -m boardsync`."""

from boardsync.entry import main

main()
