"""The CRD agrees with the models of `engage_sync`, field by field, and gets into the wheel."""

import re
import subprocess
import sys
import zipfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from engage_sync import conditions, resource
from engage_sync.crd import crd_text, fit_status, schema
from engage_sync.fields import DURATION_PATTERN, URL_PATTERN, Model, parse_duration
from engage_sync.spec import COUNTRY_PATTERN, SECRET_NAME_PATTERN, TENANT_PATTERN, TIME_ZONE_PATTERN, Spec
from engage_sync.states import MESSAGE_MAX, Status
from reconcilers.model import KINDS, Kind

ROOT = Path(__file__).parents[2]
CRD: dict[str, Any] = yaml.safe_load(crd_text())
(VERSION,) = CRD["spec"]["versions"]

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


def from_the_crd(name: str) -> Any:
    return schema()["properties"][name]


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


def test_the_names_are_the_same_on_both_sides() -> None:
    names = CRD["spec"]["names"]

    assert CRD["metadata"]["name"] == f"{resource.PLURAL}.{resource.GROUP}"
    assert (CRD["spec"]["group"], VERSION["name"]) == (resource.GROUP, resource.VERSION)
    assert (names["kind"], names["plural"]) == (resource.KIND, resource.PLURAL)
    assert (names["shortNames"], names["categories"]) == (["synct"], ["engage-sync"])
    assert CRD["spec"]["scope"] == "Namespaced"
    assert VERSION["subresources"] == {"status": {}}


def rules_below(node: Any) -> list[dict[str, str]]:
    below = [*node.get("properties", {}).values(), *([node["items"]] if "items" in node else [])]
    own: list[dict[str, str]] = list(node.get("x-kubernetes-validations", ()))
    return own + [rule for child in below for rule in rules_below(child)]


@pytest.mark.parametrize("rule", rules_below(schema()), ids=lambda rule: rule["message"][:40])
def test_every_rule_has_a_message_that_names_the_field(rule: dict[str, str]) -> None:
    field = rule.get("fieldPath", rule["message"]).lstrip(".").split()[0]

    assert rule["message"].startswith(field)
    assert "\n" not in rule["message"]


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
    for part in ("spec", "status"):
        for node in nodes_below(from_the_crd(part)):
            if node["type"] == "string":
                assert "maxLength" in node or "enum" in node
            if node["type"] == "array":
                assert "maxItems" in node
                by_type = node["x-kubernetes-list-type"] == "map"
                assert by_type == ("lastTransitionTime" in node["items"].get("properties", {}))


def test_cel_is_not_silenced() -> None:
    for node in nodes_below(from_the_crd("spec")):
        assert not {"pattern", "minLength", "minItems"} & set(node)


def test_a_status_of_a_later_version_is_not_refused() -> None:
    assert not [node for node in nodes_below(from_the_crd("status")) if "enum" in node]


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
    assert len("sha256:") + 64 <= status["plan"]["properties"]["digest"]["maxLength"]


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
        == [{"kind": "Resource", "sourceKey": "wp:room:13", "message": "m" * 127 + "…"}] * 20
    )
    assert fitted["lastRun"] == {"id": "r" * 39 + "…"}
    assert len(status["summary"]) == 20


def test_a_checkout_prints_what_lies_in_crds() -> None:
    assert crd_text() == (ROOT / "crds" / "synctargets.engage-sync.io.yaml").read_text(encoding="utf-8")


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
