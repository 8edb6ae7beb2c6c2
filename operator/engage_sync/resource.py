"""SyncTarget as Kubernetes knows it: group, kind, annotations, labels. Nothing here talks to a cluster."""

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


def shorten(text: str, limit: int) -> str:
    """The text if it has at most `limit` characters, else its beginning and an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"
