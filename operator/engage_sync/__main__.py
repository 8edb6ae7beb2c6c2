"""`python -m engage_sync` is `engage-sync`."""

import sys


def main() -> None:
    """The console script. Loading the rest takes a second or two, in which Ctrl-C is no traceback either."""
    try:
        from engage_sync.cli import main as run
    except KeyboardInterrupt:
        print("engage-sync: interrupted; nothing was begun", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
