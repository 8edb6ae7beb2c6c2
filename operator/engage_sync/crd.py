"""The CustomResourceDefinitions as they lie in `crds/`, and the bounds they set to what is written."""

from collections.abc import Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, cast

import yaml

from engage_sync.resource import GROUP, PLURAL, shorten
from engage_sync.states import Status
from engage_sync.syncplan import DESTRUCTIVE_MAX, SYNCPLAN_PLURAL, SyncPlanSpec, SyncPlanStatus


def crd_text() -> str:
    """The YAML text of both, comments included, for `kubectl apply -f -`."""
    return "---\n".join(_text(plural) for plural in (PLURAL, SYNCPLAN_PLURAL))


@cache
def schema(plural: str = PLURAL) -> Mapping[str, Any]:
    """The OpenAPI schema of the one version; not to be changed."""
    (version,) = yaml.safe_load(_text(plural))["spec"]["versions"]
    return cast("Mapping[str, Any]", version["schema"]["openAPIV3Schema"])


def fit_status(status: Status) -> Status:
    """The status cut to the CRD's bounds: long texts end in an ellipsis, long lists lose their tail.

    Without it one long name would make the server refuse the whole status.
    """
    return cast("Status", _fit(status, schema()["properties"]["status"]))


def fit_plan(spec: SyncPlanSpec) -> SyncPlanSpec:
    """The spec of a SyncPlan cut likewise, what is cut of `destructive` counted.

    Never of `chunks`: without all of them the plan cannot be read, so the server had better refuse it.
    """
    fitted = cast("SyncPlanSpec", _fit(spec, schema(SYNCPLAN_PLURAL)["properties"]["spec"]))
    fitted["chunks"] = spec["chunks"]
    cut = len(spec.get("destructive", ())) - DESTRUCTIVE_MAX
    if cut > 0:
        fitted["destructiveTruncated"] = spec.get("destructiveTruncated", 0) + cut
    return fitted


def fit_plan_status(status: SyncPlanStatus) -> SyncPlanStatus:
    """The status of a SyncPlan cut likewise."""
    return cast("SyncPlanStatus", _fit(status, schema(SYNCPLAN_PLURAL)["properties"]["status"]))


def _text(plural: str) -> str:
    file = f"{plural}.{GROUP}.yaml"
    packaged = resources.files("engage_sync") / "crds" / file  # put there when the wheel is built
    checkout = Path(__file__).parents[2] / "crds" / file
    return (packaged if packaged.is_file() else checkout).read_text(encoding="utf-8")


def _fit(value: Any, bounds: Mapping[str, Any]) -> Any:
    if isinstance(value, str) and "maxLength" in bounds:
        return shorten(value, bounds["maxLength"])
    if isinstance(value, list) and "items" in bounds:
        return [_fit(item, bounds["items"]) for item in value[: bounds["maxItems"]]]
    if isinstance(value, dict):
        fields = bounds.get("properties", {})
        return {name: _fit(item, fields.get(name, {})) for name, item in value.items()}
    return value
