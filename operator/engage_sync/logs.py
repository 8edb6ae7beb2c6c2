"""Logging of the operator: one line an event on stderr, without what frameworks say of themselves."""

import logging


def configure(verbose: bool) -> None:
    """Log our own words at INFO (DEBUG when verbose); libraries only from WARNING on."""
    logging.basicConfig(
        format="%(asctime)s %(levelname)s %(name)s: %(message)s", level=logging.WARNING, force=True
    )
    logging.getLogger("engage_sync").setLevel(logging.DEBUG if verbose else logging.INFO)
    # kopf says "Handler 'see' succeeded." for every watch event; httpx logs every URL.
    for noisy in ("kopf.objects", "httpx", "aiohttp.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
