"""The CRDs agree with the models of `engage_sync`, field by field, and get into the wheel."""

import re
import subprocess
import sys
import zipfile
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from engage_sync import conditions, resource
from engage_sync.crd import crd_text, fit_plan, fit_plan_status, fit_status, schema
from engage_sync.fields import DURATION_PATTERN, URL_PATTERN, Model, parse_duration
from engage_sync.spec import COUNTRY_PATTERN, SECRET_NAME_PATTERN, TENANT_PATTERN, TIME_ZONE_PATTERN, Spec
from engage_sync.states import MESSAGE_MAX, Status
from engage_sync.syncplan import (
    CHUNKS_MAX,
    DESTRUCTIVE_MAX,
    QUARANTINE_MAX,
    SYNCPLAN_KIND,
    SYNCPLAN_PLURAL,
    State,
    SyncPlanSpec,
    SyncPlanStatus,
    syncplan_name,
)
from reconcilers.model import KINDS, Kind

ROOT = Path(__file__).parents[2]
FILES = [ROOT / "crds" / f"{plural}.{resource.GROUP}.yaml" for plural in (resource.PLURAL, SYNCPLAN_PLURAL)]
CRDS: list[dict[str, Any]] = list(yaml.safe_load_all(crd_text()))

# What the two sides are compared by; defaults apart, and CEL by its behaviour on a real server.
COMPARED = {
    "type",
    "format",
    "enum",
    "required",
    "minimum",
    "maximum",
    "maxLength",
    "maxItems",
    "items",
    "properties",
}


def plain(node: Any, defs: dict[str, Any]) -> Any:
    """A JSON schema as Kubernetes writes it: references and "or null" resolved, cut to `COMPARED`."""
    if "$ref" in node:
        node = defs[node["$ref"].rpartition("/")[2]] | {k: v for k, v in node.items() if k != "$ref"}
    if "anyOf" in node:  # absent, and therefore no default
        node = next(each for each in node["anyOf"] if each["type"] != "null")
    kept = {name: value for name, value in node.items() if name in COMPARED}
    if "items" in kept:
        kept["items"] = plain(kept["items"], defs)
    if "properties" in kept:
        fields = kept["properties"].items()
        kept["properties"] = {name: plain(field, defs) for name, field in fields}
    if "required" in kept:
        kept["required"] = sorted(kept["required"])
    return kept


def from_the_crd(name: str, plural: str = resource.PLURAL) -> Any:
    return schema(plural)["properties"][name]


def without_formats_of_integers(node: Any) -> Any:
    """Python has one int; the CRD says int64 of it."""
    if node.get("type") == "integer":
        return {name: value for name, value in node.items() if name != "format"}
    fields = {n: without_formats_of_integers(field) for n, field in node.get("properties", {}).items()}
    items = without_formats_of_integers(node["items"]) if "items" in node else None
    return node | ({"properties": fields} if fields else {}) | ({"items": items} if items else {})


def test_spec_is_the_same_on_both_sides() -> None:
    model = Spec.model_json_schema(by_alias=True)

    ours = plain(model, model["$defs"])

    assert ours == plain(from_the_crd("spec"), {})


def test_status_is_the_same_on_both_sides() -> None:
    model = TypeAdapter(Status).json_schema()
    crd = from_the_crd("status")

    ours = plain(model, model["$defs"])

    assert ours == without_formats_of_integers(plain(crd, {}))
    assert crd["default"] == {"observedGeneration": conditions.UNSEEN}


@pytest.mark.parametrize(("part", "model"), [("spec", SyncPlanSpec), ("status", SyncPlanStatus)])
def test_a_sync_plan_is_the_same_on_both_sides(part: str, model: Any) -> None:
    shape = TypeAdapter(model).json_schema()

    ours = plain(shape, shape["$defs"])

    assert ours == without_formats_of_integers(plain(from_the_crd(part, SYNCPLAN_PLURAL), {}))


def defaults_of(model: type[Model]) -> dict[str, Any]:
    """Every default of the model, written as the CRD would; absent where a field is required or None."""
    fields = model.model_fields.values()
    return {str(field.alias): default_of(field) for field in fields if default_of(field) is not None}


def default_of(field: FieldInfo) -> Any:
    if isinstance(field.annotation, type) and issubclass(field.annotation, Model):
        return defaults_of(field.annotation) or None
    if field.is_required() or field.default is None:
        return None
    return list(field.default) if isinstance(field.default, tuple) else field.default


def defaults_in(node: Any) -> Any:
    """The same of the schema; an object is only filled in if it has a default itself, or is required."""
    if node["type"] != "object":
        default = node.get("default")
        return parse_duration(default) if is_duration(node) else default
    required = node.get("required", ())
    fields = {
        name: defaults_in(field)
        for name, field in node["properties"].items()
        if field["type"] != "object" or "default" in field or name in required
    }
    return {name: default for name, default in fields.items() if default is not None} or None


def is_duration(node: Any) -> bool:
    return any("duration(" in each["rule"] for each in node.get("x-kubernetes-validations", ()))


def test_defaults_are_the_same_on_both_sides() -> None:
    ours = defaults_of(Spec)

    assert ours == defaults_in(from_the_crd("spec"))
    assert ours["schedule"] == {"interval": timedelta(hours=24), "retryInterval": timedelta(minutes=5)}


@pytest.mark.parametrize(
    ("crd", "plural", "kind", "short"),
    [
        (CRDS[0], resource.PLURAL, resource.KIND, "synct"),
        (CRDS[1], SYNCPLAN_PLURAL, SYNCPLAN_KIND, "synp"),
    ],
    ids=["SyncTarget", "SyncPlan"],
)
def test_the_names_are_the_same_on_both_sides(crd: Any, plural: str, kind: str, short: str) -> None:
    names = crd["spec"]["names"]
    (version,) = crd["spec"]["versions"]

    assert crd["metadata"]["name"] == f"{plural}.{resource.GROUP}"
    assert (crd["spec"]["group"], version["name"]) == (resource.GROUP, resource.VERSION)
    assert (names["kind"], names["plural"], names["singular"]) == (kind, plural, kind.lower())
    assert (names["shortNames"], names["categories"]) == ([short], ["engage-sync"])
    assert crd["spec"]["scope"] == "Namespaced"
    assert version["subresources"] == {"status": {}}


def rules_below(node: Any) -> list[dict[str, str]]:
    below = [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]
    own: list[dict[str, str]] = list(node.get("x-kubernetes-validations", ()))
    return own + [rule for child in below for rule in rules_below(child)]


RULES = rules_below(schema()) + rules_below(schema(SYNCPLAN_PLURAL))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["message"][:40])
def test_every_rule_has_a_message_that_names_the_field(rule: dict[str, str]) -> None:
    field = rule.get("fieldPath", rule["message"]).lstrip(".").split()[0]

    assert rule["message"].startswith(field)
    assert rule.get("messageExpression", f"'{field}").startswith(f"'{field}")
    assert "\n" not in rule["message"] + rule.get("messageExpression", "")


def test_every_field_of_a_plan_but_approval_is_frozen() -> None:
    spec = from_the_crd("spec", SYNCPLAN_PLURAL)
    frozen = {
        rule["fieldPath"]: rule["rule"]
        for rule in spec["x-kubernetes-validations"]
        if rule["message"].endswith("cannot be changed; of a SyncPlan only approval can be set")
    }

    assert frozen.keys() == {f".{name}" for name in spec["properties"]} - {".approval"}
    for path, rule in frozen.items():
        same = f"self{path} == oldSelf{path}"
        kept_or_absent = f"has(self{path}) ? has(oldSelf{path}) && {same} : !has(oldSelf{path})"
        assert rule == (same if path[1:] in spec["required"] else kept_or_absent)


def test_the_patterns_are_the_same_on_both_sides() -> None:
    in_the_crd = {
        pattern
        for rule in rules_below(schema())
        for pattern in re.findall(r"matches\(r?'(\^.*?\$)'\)", rule["rule"])
    }

    assert in_the_crd == {
        TENANT_PATTERN,
        SECRET_NAME_PATTERN,
        COUNTRY_PATTERN,
        TIME_ZONE_PATTERN,
        DURATION_PATTERN,
        URL_PATTERN,
        "^([A-Z]{2})?$",
    }


def nodes_below(node: Any) -> list[Any]:
    below = [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]
    return [node] + [found for child in below for found in nodes_below(child)]


def test_every_text_and_list_is_bounded_and_lists_are_atomic_but_conditions() -> None:
    for crd, part in product((resource.PLURAL, SYNCPLAN_PLURAL), ("spec", "status")):
        for node in nodes_below(from_the_crd(part, crd)):
            if node["type"] == "string":
                assert "maxLength" in node or "enum" in node
            if node["type"] == "array":
                assert "maxItems" in node
                by_type = node["x-kubernetes-list-type"] == "map"
                assert by_type == ("lastTransitionTime" in node["items"].get("properties", {}))


def test_cel_is_not_silenced() -> None:
    for node in [*nodes_below(from_the_crd("spec")), *nodes_below(from_the_crd("spec", SYNCPLAN_PLURAL))]:
        assert not {"pattern", "minLength", "minItems"} & set(node)


def test_a_status_of_a_later_version_is_not_refused() -> None:
    for crd in (resource.PLURAL, SYNCPLAN_PLURAL):
        assert not [node for node in nodes_below(from_the_crd("status", crd)) if "enum" in node]


def test_all_our_words_fit_into_their_fields() -> None:
    status = from_the_crd("status")["properties"]
    condition = status["conditions"]["items"]["properties"]
    reasons = [
        *conditions.READY_STATUS,
        *conditions.SourceHealth,
        *conditions.TargetHealth,
        conditions.SUSPENDED,
        conditions.NOT_CONTACTED,
        conditions.PROGRESSING_WITH_RETRY,
    ]

    assert max(map(len, conditions.Type)) <= condition["type"]["maxLength"]
    assert max(map(len, reasons)) <= condition["reason"]["maxLength"]
    assert condition["message"]["maxLength"] == MESSAGE_MAX
    assert len(conditions.Type) <= status["conditions"]["maxItems"]
    assert max(map(len, Kind)) <= status["kinds"]["items"]["properties"]["kind"]["maxLength"]
    assert len(KINDS) == status["kinds"]["maxItems"]
    assert status["lastHandledReconcileAt"]["maxLength"] == resource.REQUESTED_AT_MAX
    plan = status["plan"]["properties"]
    assert len("sha256:") + 64 <= plan["digest"]["maxLength"]
    assert len(syncplan_name("a" * 40, "1f2e3d4c5b")) <= plan["name"]["maxLength"]
    assert status["explain"]["properties"]["token"]["maxLength"] == resource.EXPLAIN_MAX


def test_all_our_words_fit_into_a_plan() -> None:
    spec = from_the_crd("spec", SYNCPLAN_PLURAL)["properties"]
    status = from_the_crd("status", SYNCPLAN_PLURAL)["properties"]
    chunk = f"engage-sync-{'a' * 40}-01234567-plan-1f2e3d4c5b-{CHUNKS_MAX - 1}"

    assert max(map(len, State)) <= status["state"]["maxLength"]
    assert len(syncplan_name("a" * 40, "1f2e3d4c5b")) <= status["supersededBy"]["maxLength"]
    assert len(chunk) <= spec["chunks"]["items"]["maxLength"]
    assert len(KINDS) == spec["counts"]["maxItems"]
    assert max(map(len, Kind)) <= spec["counts"]["items"]["properties"]["kind"]["maxLength"]


def test_a_status_is_cut_to_the_bounds() -> None:
    status: Status = {
        "observedGeneration": 1,
        "summary": ["s" * 200] * 20,
        "failures": [{"kind": "Resource", "sourceKey": "wp:room:13", "message": "m" * 200}] * 30,
        "lastRun": {"id": "r" * 99},
    }

    fitted = fit_status(status)

    assert fitted["observedGeneration"] == 1
    assert fitted["summary"] == ["s" * 127 + "…"] * 12
    assert (
        fitted["failures"]
        == [{"kind": "Resource", "sourceKey": "wp:room:13", "message": "m" * 87 + "…"}] * 20
    )
    assert fitted["lastRun"] == {"id": "r" * 15 + "…"}
    assert len(status["summary"]) == 20


def plan_of(destructive: int, **more: Any) -> SyncPlanSpec:
    spec: SyncPlanSpec = {
        "synctarget": "acme",
        "synctargetUID": "u",
        "runID": "1f2e3d4c5b",
        "digest": "sha256:" + "0" * 64,
        "summary": "-9",
        "counts": [],
        "held": 0,
        "destructive": [{"action": "Delete", "kind": "Resource", "key": "wp:room:13", "name": "n" * 200}]
        * destructive,
        "chunks": ["c"],
        "estimatedCalls": 9,
    }
    spec.update(more)  # type: ignore[typeddict-item]
    return spec


def test_a_plan_is_cut_to_the_bounds_and_says_how_much() -> None:
    fitted = fit_plan(plan_of(130, destructiveTruncated=5, quarantine=["q" * 600] * 9))

    assert len(fitted["destructive"]) == DESTRUCTIVE_MAX
    assert fitted["destructive"][0]["name"] == "n" * 95 + "…"
    assert fitted["destructiveTruncated"] == 35
    assert fitted["quarantine"] == ["q" * 511 + "…"] * QUARANTINE_MAX


def test_a_plan_that_fits_is_left_alone() -> None:
    fitting = plan_of(0)

    assert fit_plan(fitting) == fitting


def test_no_chunk_of_a_plan_is_cut_in_silence() -> None:
    chunks = [str(number) for number in range(CHUNKS_MAX + 1)]

    assert fit_plan(plan_of(0, chunks=chunks))["chunks"] == chunks


def test_the_status_of_a_plan_is_cut_to_the_bounds() -> None:
    assert fit_plan_status({"state": "s" * 99}) == {"state": "s" * 31 + "…"}


def test_a_checkout_prints_what_lies_in_crds() -> None:
    assert crd_text() == "---\n".join(file.read_text(encoding="utf-8") for file in FILES)
    assert sorted(FILES) == sorted((ROOT / "crds").iterdir())


def test_the_wheel_prints_it_too(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")

    script = "import engage_sync.crd as crd; print(crd.__file__); print(crd.crd_text(), end='')"
    printed = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path / "installed")},
        check=True,
        capture_output=True,
        encoding="utf-8",
    ).stdout

    origin, _, text = printed.partition("\n")
    assert Path(origin).is_relative_to(tmp_path)
    assert text == crd_text()
