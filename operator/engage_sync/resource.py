"""SyncTarget as Kubernetes knows it: group, kind, annotations, labels, bounds of texts. No cluster here."""

from textwrap import wrap

GROUP = "engage-sync.io"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
PLURAL = "synctargets"
KIND = "SyncTarget"

REQUESTED_AT = f"{GROUP}/requested-at"
"""Annotation: a token; each new one asks for one run now."""
REQUESTED_AT_MAX = 128
"""Longest token, in characters; it must fit into ``status.lastHandledReconcileAt``."""
PAUSED = f"{GROUP}/paused"
"""Annotation: "true" stops runs without a change of the spec."""
EXPLAIN = f"{GROUP}/explain"
"""Annotation: the key of an entity, such as ``wp:room:13``; each new one asks why it is as it is."""
EXPLAIN_MAX = 128
"""Longest one, in characters; it must fit into ``status.explain.token``."""

MANAGED_BY = "app.kubernetes.io/managed-by"
"""Label of everything the operator creates; its value is `MANAGER`."""
MANAGER = "engage-sync"
SYNCTARGET_LABEL = f"{GROUP}/synctarget"
"""Label of everything the operator creates for one SyncTarget; its value is the SyncTarget's name."""

LINES_MAX, LINE_MAX = 12, 128
"""Lines of ``status.summary`` and ``status.explain.lines``, and characters of each."""


def shorten(text: str, limit: int) -> str:
    """The text if it has at most `limit` characters, else its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


def wrapped(text: str, most: int = LINES_MAX) -> list[str]:
    """The text in at most so many lines of a status, the last one cut where there is more."""
    lines = wrap(text, LINE_MAX, break_on_hyphens=False)
    if len(lines) <= most:
        return lines
    return [*lines[: most - 1], shorten(" ".join(lines[most - 1 :]), LINE_MAX)]
