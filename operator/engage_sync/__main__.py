"""`python -m engage_sync` is `engage-sync`."""

from engage_sync.cli import main

main()
