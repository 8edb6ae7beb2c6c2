"""The CustomResourceDefinition of SyncTarget, as it lies in `crds/`, and the bounds it sets to status."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import yaml

from engage_sync.resource import GROUP, PLURAL, shorten
from engage_sync.states import Status

_FILE = f"{PLURAL}.{GROUP}.yaml"


def crd_text() -> str:
    """The YAML text, comments included, for `kubectl apply -f -`."""
    packaged = resources.files("engage_sync") / "crds" / _FILE  # put there when the wheel is built
    checkout = Path(__file__).parents[2] / "crds" / _FILE
    return (packaged if packaged.is_file() else checkout).read_text(encoding="utf-8")


@cache
def schema() -> Mapping[str, Any]:
    """The OpenAPI schema of the one version; not to be changed."""
    (version,) = yaml.safe_load(crd_text())["spec"]["versions"]
    return cast("Mapping[str, Any]", version["schema"]["openAPIV3Schema"])


def fit_status(status: Status) -> Status:
    """The status cut to the CRD's bounds: long texts end in an ellipsis, long lists lose their tail.

    Without it one long name would make the server refuse the whole status.
    """
    return cast("Status", _fit(status, schema()["properties"]["status"]))


def _fit(value: Any, bounds: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and "maxLength" in bounds:
        return shorten(value, bounds["maxLength"])
    if isinstance(value, list) and "items" in bounds:
        return [_fit(item, bounds["items"]) for item in value[: bounds["maxItems"]]]
    if isinstance(value, dict):
        fields = bounds.get("properties", {})
        return {name: _fit(item, fields.get(name, {})) for name, item in value.items()}
    return value
