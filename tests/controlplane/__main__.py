"""Build or start a control plane by hand: `python -m tests.controlplane build|start`."""

from __future__ import annotations

import argparse
import signal
import sys

from tests.controlplane.build import BuildError, ensure, to_stderr
from tests.controlplane.server import ControlPlane, ControlPlaneError


def main() -> int | str:
    parser = argparse.ArgumentParser(prog="python -m tests.controlplane", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("build", help="build what is missing and print where the binaries are")
    commands.add_parser("start", help="start, print the export line, stop at Ctrl-C")
    command = parser.parse_args().command
    try:
        assets = ensure()
        if command == "build":
            print(*sorted({str(path.parent) for path in vars(assets).values()}), sep="\n")
            return 0
        with ControlPlane(assets) as plane:
            # Blocked first, so that a signal right after the line below is not lost.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
            print(f"export KUBECONFIG={plane.kubeconfig}", flush=True)
            to_stderr(f"ready at {plane.url}; kubectl is {assets.kubectl}; Ctrl-C stops")
            signal.sigwait({signal.SIGINT, signal.SIGTERM})
    except (BuildError, ControlPlaneError) as error:
        return str(error)
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
