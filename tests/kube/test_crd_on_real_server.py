"""The CRD on a real API server: what it takes, what it answers to the rest, and that the models agree.

Only here does CEL run and are its costs judged.
"""

import json
import string
from collections import Counter
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, cast

import httpx
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engage_sync.crd import fit_status, schema
from engage_sync.fields import DURATION_PATTERN, URL_PATTERN
from engage_sync.resource import GROUP, PLURAL
from engage_sync.spec import SECRET_NAME_PATTERN, TENANT_PATTERN, InvalidSpec, Spec, read_shape
from tests.controlplane.server import ControlPlane
from tests.kube.raw_api import Answer, Api, table, worst
from tests.synctargets import ABSENT, BAD, CANARY, GOOD, LOOPBACK, Bad, manifest, put, spec

pytestmark = pytest.mark.cluster

UNKNOWN_TO_A_CRD: list[dict[str, Any]] = [
    {"defaults__timeZone": "Mars/Base"},
    {"defaults__country": "XX"},
    {"defaults__groupName": "\u00a0"},
    {"scope__countries": ["UK"]},
    {"source__baseURL": "https://acme.example:99999"},
    {"source__baseURL": "https://acme.example:0"},
    {"source__baseURL": "https://2130706433"},
    {"target__applicationURL": "https://[:::1]"},
    *({"target__apiURL": url} for url in LOOPBACK),
]


class Server(Api):
    """SyncTargets of one namespace; those not named are called acme."""

    def judge(self, spec_: object) -> Answer:
        return self.create(manifest(spec_), dry_run=True)

    def get(self, name: str = "acme") -> dict[str, Any]:
        return super().get(name)

    def write_status(self, status: object, name: str = "acme") -> Answer:
        return super().write_status(status, name)

    def apply(self, *targets: dict[str, Any], manager: str = "kubectl") -> None:
        self.plane.kubectl(
            "apply",
            "--server-side",
            f"--field-manager={manager}",
            "-n",
            self.namespace,
            "-f-",
            input=yaml.safe_dump_all(targets),
        )


@pytest.fixture
def server(http: httpx.Client, control_plane: ControlPlane, namespace: str) -> Server:
    return Server(http, control_plane, namespace, PLURAL)


@pytest.fixture(scope="module")
def judge(http: httpx.Client, control_plane: ControlPlane) -> Server:
    """For dry runs alone, which need no namespace of their own."""
    return Server(http, control_plane, "default", PLURAL)


def test_the_schema_is_established_without_a_complaint(http: httpx.Client) -> None:
    found = http.get(f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{PLURAL}.{GROUP}").json()

    states = {condition["type"]: condition["status"] for condition in found["status"]["conditions"]}
    assert states == {"NamesAccepted": "True", "Established": "True"}  # NonStructuralSchema would be a third


@pytest.mark.parametrize("changes", GOOD, ids=str)
def test_what_is_good_is_taken_and_read_alike(judge: Server, changes: dict[str, Any]) -> None:
    raw = spec(**changes)

    answer = judge.judge(raw)

    assert answer.code == 201, answer.message
    assert read_shape(answer.body["spec"]) == read_shape(raw)


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_what_is_bad_is_refused_and_the_field_named(judge: Server, bad: Bad) -> None:
    answer = judge.judge(bad.spec)

    assert answer.code in (400, 422)
    assert bad.field in answer.message
    assert bad.says in answer.message
    assert CANARY not in answer.message


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.alike], ids=str)
def test_one_mistake_gets_one_sentence(judge: Server, bad: Bad) -> None:
    causes = judge.judge(bad.spec).body["details"]["causes"]

    assert [cause["field"] for cause in causes] == [bad.field]


def test_kubectl_shows_the_sentence_and_not_the_password(judge: Server) -> None:
    wrong = spec(source__baseURL=f"https://user:{CANARY}@acme.example", tenant="Acme")

    done = judge.plane.kubectl(
        "apply", "-n", "default", "-f-", input=json.dumps(manifest(wrong)), check=False
    )

    assert done.returncode == 1
    assert "spec.source.baseURL: Invalid value: baseURL must be an https URL" in done.stderr
    assert 'spec.tenant: Invalid value: "Acme": tenant must be a DNS label' in done.stderr
    assert CANARY not in done.stdout + done.stderr


def test_a_budget_of_2_0_in_a_file_is_a_budget_of_2(server: Server) -> None:
    raw = spec(deletion__budget={"percent": 2.0})

    server.plane.kubectl("create", "-n", server.namespace, "-f-", input=yaml.safe_dump(manifest(raw)))

    assert server.get()["spec"]["deletion"]["budget"]["percent"] == 2
    assert read_shape(raw).deletion.budget.percent == 2


@pytest.mark.parametrize("changes", UNKNOWN_TO_A_CRD, ids=str)
def test_what_a_crd_cannot_know_is_left_to_the_operator(judge: Server, changes: dict[str, Any]) -> None:
    assert judge.judge(spec(**changes)).code == 201


@pytest.mark.parametrize("name", ["acme.eu", "a" * 41])
def test_names_that_would_not_fit_into_other_names_are_refused(judge: Server, name: str) -> None:
    answer = judge.create(manifest(name=name), dry_run=True)

    assert answer.code == 422
    assert "metadata.name must be at most 40 characters and hold no dots" in answer.message


def test_the_longest_name_and_a_generated_one_are_taken(judge: Server) -> None:
    generated = manifest() | {"metadata": {"generateName": "acme-"}}

    assert judge.create(manifest(name="a" * 40), dry_run=True).code == 201
    assert judge.create(generated, dry_run=True).code == 201


def test_every_default_is_filled_in(server: Server) -> None:
    created = server.create(manifest()).body

    assert created["spec"] == spec(
        suspend=False,
        mode="Plan",
        onboarding="New",
        merge={"minimumMatchPercent": 80},
        schedule={"interval": "24h", "retryInterval": "5m"},
        target__rateLimit={"perMinute": 500, "perWeek": 50000},
        scope={"requireReservationCenter": True, "reservableOnly": True},
        defaults={"country": "", "timeZone": "", "groupName": "{country} Default Group"},
        managementPolicies=["*"],
        approval={"required": "Destructive"},
        deletion={
            "budget": {"percent": 10, "count": 100, "minimumPopulation": 20},
            "subtreeBudget": {"percent": 50, "minimumPopulation": 10},
            "precondition": "NoFutureBookings",
            "bookingsWindow": "2160h",
            "unknownBookings": "Allow",
            "gracePeriod": "0s",
        },
        update={"budget": {"percent": 50, "minimumPopulation": 20}},
    )
    assert created["status"] == {"observedGeneration": -1}


def test_a_status_sent_at_creation_is_not_believed(server: Server) -> None:
    created = server.create(manifest() | {"status": {"observedGeneration": 1}}).body

    assert created["status"] == {"observedGeneration": -1}


def test_the_tenant_cannot_be_changed(server: Server) -> None:
    changed = server.create(manifest()).body
    changed["spec"]["tenant"] = "other"

    answer = server.replace(changed)

    assert answer.code == 422
    assert "spec.tenant: Forbidden: tenant cannot be changed" in answer.message


@pytest.mark.parametrize(
    ("path", "value"),
    [("source.baseURL", "https://new.example"), ("target.apiURL", "https://new.example"), ("mode", "Apply")],
)
def test_the_rest_can_be_changed(server: Server, path: str, value: str) -> None:
    changed = server.create(manifest()).body
    put(changed["spec"], path.split("."), value)

    answer = server.replace(changed)

    assert (answer.code, answer.body["metadata"]["generation"]) == (200, 2)


def test_annotations_and_status_leave_the_generation_alone(server: Server) -> None:
    created = server.create(manifest()).body
    created["metadata"]["annotations"] = {f"{GROUP}/requested-at": "now"}

    server.replace(created)
    server.write_status({"observedGeneration": 1})

    assert server.get()["metadata"]["generation"] == 1


def test_a_policy_applied_on_the_server_takes_the_place_of_the_default(server: Server) -> None:
    server.apply(manifest())
    server.apply(manifest(spec(managementPolicies=["Observe"], scope={"countries": ["US", "DE"]})))
    server.apply(manifest(spec(managementPolicies=["Observe", "Create"], scope={"countries": ["DE"]})))

    found = server.get()["spec"]

    assert (found["managementPolicies"], found["scope"]["countries"]) == (["Observe", "Create"], ["DE"])


def test_two_writers_of_conditions_keep_each_others(server: Server) -> None:
    server.create(manifest())
    for kind in ("Ready", "Foreign"):
        server.plane.kubectl(
            "apply",
            "--server-side",
            "--subresource=status",
            f"--field-manager={kind}",
            "-n",
            server.namespace,
            "-f-",
            input=json.dumps(manifest() | {"status": {"conditions": [condition(kind)]}}),
        )

    assert [each["type"] for each in server.get()["status"]["conditions"]] == ["Ready", "Foreign"]


def condition(kind: str = "Ready", **changes: Any) -> dict[str, Any]:
    return {
        "type": kind,
        "status": "True",
        "reason": "InSync",
        "message": "Engage is in step",
        "lastTransitionTime": "2026-01-02T03:04:05Z",
        "observedGeneration": 1,
    } | changes


FULL_STATUS: dict[str, Any] = {
    "observedGeneration": 3,
    "lastHandledReconcileAt": "token",
    "plan": {
        "summary": "+9 ~4 -2",
        "digest": "sha256:" + "0" * 64,
        "name": "acme-1f2e3d4c5b",
        "heldDigest": "sha256:" + "1" * 64,
        "held": 2,
    },
    "explain": {"key": "wp:room:13", "token": "wp:room:13 again", "lines": ["It is in step."]},
    "conditions": [condition()],
    "kinds": [
        {
            "kind": "Location",
            "source": 12,
            "inScope": 11,
            "target": 11,
            "mapped": 11,
            "created": 0,
            "updated": 1,
            "deleted": 0,
            "failed": 0,
            "skipped": 1,
        }
    ],
    "progress": {
        "done": 1200,
        "total": 21146,
        "ratePerMinute": 488,
        "estimatedFinish": "2026-01-02T04:04:05Z",
        "quotaLeft": 48000,
        "kinds": [{"kind": "Resource", "done": 1200, "total": 21146}],
    },
    "summary": ["Ready: InSync"],
    "lastRun": {
        "id": "run-1",
        "trigger": "Notification",
        "startTime": "2026-01-02T03:04:05Z",
        "finishTime": "2026-01-02T03:04:06Z",
        "result": "PartiallyFailed",
        "requests": {"source": 41, "target": 133},
    },
    "lastSuccessfulSyncTime": "2026-01-02T03:04:06Z",
    "nextSyncTime": "2026-01-03T03:04:05Z",
    "mapping": {"entries": 3981, "shards": 2, "digest": "sha256:" + "0" * 64},
    "quota": {"weekStart": "2026-01-01T00:00:00Z", "used": 17},
    "failures": [
        {
            "kind": "WorkspaceType",
            "sourceKey": "wp:room:13",
            "name": "Room 13",
            "action": "Create",
            "reason": "Refused",
            "message": "no",
            "attempts": 2,
        }
    ],
    "failuresTruncated": 4,
    "skips": [{"kind": "Location", "reason": "NoReservationCenter", "count": 1}],
    "history": [{"id": "run-1", "finishTime": "2026-01-02T03:04:06Z", "result": "Planned", "plan": "+1"}],
}


def test_a_whole_status_is_kept_to_the_letter(server: Server) -> None:
    server.create(manifest())

    assert server.write_status(FULL_STATUS).code == 200
    assert server.get()["status"] == FULL_STATUS


def test_the_biggest_status_is_below_64_kib(server: Server) -> None:
    server.create(manifest())
    biggest = worst(schema()["properties"]["status"])

    answer = server.write_status(biggest)

    assert answer.code == 200, answer.message
    assert server.get()["status"] == biggest
    text = json.dumps(biggest, ensure_ascii=False, separators=(",", ":"))
    assert 60_000 < len(text.encode()) < 65_536


def test_a_status_beyond_all_bounds_is_taken_once_it_is_fitted(server: Server) -> None:
    server.create(manifest())
    beyond = deepcopy(FULL_STATUS)
    beyond["failures"] = [entry | {"name": "n" * 999} for entry in beyond["failures"]] * 99
    beyond["conditions"][0]["message"] = "m" * 9999
    beyond["summary"] = ["s" * 999] * 99

    assert server.write_status(beyond).code == 422
    assert server.write_status(fit_status(cast("Any", beyond))).code == 200


@pytest.mark.parametrize(
    "wrong",
    [
        {"conditions": [condition(), condition()]},
        {"conditions": [condition(lastTransitionTime="yesterday")]},
        {"nextSyncTime": "2026-01-02T03:04:05"},
        {"kinds": [{}]},
    ],
    ids=str,
)
def test_a_status_that_is_none_is_refused(server: Server, wrong: dict[str, Any]) -> None:
    server.create(manifest())

    assert server.write_status(wrong).code == 422


def test_new_reasons_need_no_new_schema(server: Server) -> None:
    server.create(manifest())

    assert server.write_status({"conditions": [condition("Later", reason="FromALaterVersion")]}).code == 200


def test_the_columns(server: Server) -> None:
    server.create(manifest())
    server.write_status(FULL_STATUS)

    narrow = table(server.plane.kubectl("get", "synct", "-n", server.namespace).stdout)
    wide = table(server.plane.kubectl("get", "engage-sync", "-o", "wide", "-n", server.namespace).stdout)

    assert list(narrow) == ["NAME", "READY", "STATUS", "MODE", "PLAN", "LAST SYNC", "AGE"]
    assert {name: narrow[name] for name in ("NAME", "READY", "STATUS", "MODE", "PLAN")} == {
        "NAME": "acme",
        "READY": "True",
        "STATUS": "InSync",
        "MODE": "Plan",
        "PLAN": "+9 ~4 -2",
    }
    assert narrow["LAST SYNC"].endswith("d")
    assert list(wide) == [*narrow, "NEXT", "MESSAGE"]
    assert (wide["NEXT"], wide["MESSAGE"]) == ("2026-01-03T03:04:05Z", "Engage is in step")


def test_every_field_is_explained(server: Server) -> None:
    explained = server.plane.kubectl("explain", "synctarget.spec.schedule.interval").stdout

    assert "Time between runs, 5m to 8760h." in explained


# --- Both sides, on objects drawn from either: good ones, then none, one or two things spoiled ---

URLS = st.from_regex(URL_PATTERN, fullmatch=True)
COUNTRY = st.from_regex("[A-Z]{2}", fullmatch=True)
DURATIONS = st.one_of(
    st.integers(5, 60).map("{}m".format),
    st.integers(1, 24).map("{}h".format),
    st.builds("{}h{}m{}s".format, st.integers(0, 23), st.integers(5, 99), st.integers(0, 99)),
    st.from_regex(DURATION_PATTERN, fullmatch=True),
)
POLICIES = st.sampled_from(["Observe", "Create", "Update", "Delete"])
FITTING: dict[str, st.SearchStrategy[Any]] = {
    "tenant": st.from_regex(TENANT_PATTERN, fullmatch=True),
    "interval": DURATIONS,
    "retryInterval": DURATIONS,
    "bookingsWindow": DURATIONS,
    "gracePeriod": DURATIONS,
    "baseURL": URLS,
    "applicationURL": URLS,
    "apiURL": URLS,
    "name": st.from_regex(SECRET_NAME_PATTERN, fullmatch=True),
    "countries": st.lists(COUNTRY, min_size=1, max_size=4),
    "country": st.one_of(st.just(""), COUNTRY),
    "timeZone": st.from_regex("[A-Za-z0-9_+/-]*", fullmatch=True),
    "groupName": st.from_regex("[A-Za-z]+({country})?[a-z \t\n]*", fullmatch=True),
    "managementPolicies": st.one_of(
        st.just(["*"]), st.lists(POLICIES, max_size=5).map(lambda some: [*some, "Observe"])
    ),
}
ODD = ["", " ", "*", "Create", "{country}", "{", "1d", "https://u:p@h", "http://[::1]", "\n", "\u00a0"]
JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([*ODD, [], {}, [None], ["*", "Create"], ABSENT]),
)


def fitting(name: str, node: Any, defs: dict[str, Any]) -> st.SearchStrategy[Any]:
    """Values that a JSON schema allows, and mostly those that the rules allow, too."""
    if "$ref" in node:
        node = defs[node["$ref"].rpartition("/")[2]]
    if name in FITTING:
        return FITTING[name]
    if "enum" in node:
        return st.sampled_from(node["enum"])
    match node["type"]:
        case "object":
            return objects(node, defs)
        case "integer":
            bounds = node.get("minimum", 1), node.get("maximum", 100)
            return st.one_of(st.integers(*bounds), st.integers(1, 9).map(float))
        case "boolean":
            return st.booleans()
        case other:
            raise AssertionError(f"no values for {name}, a {other}")


def objects(node: Any, defs: dict[str, Any]) -> st.SearchStrategy[Any]:
    fields = {name: fitting(name, field, defs) for name, field in node["properties"].items()}
    required = {name: fields.pop(name) for name in node.get("required", ())}
    return st.fixed_dictionaries(required, optional=fields)


@st.composite
def specs(draw: st.DrawFn, root: Any) -> dict[str, Any]:
    made: dict[str, Any] = draw(objects(root, root.get("$defs", {})))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
        path, value = draw(st.sampled_from(list(leaves(made))))
        if draw(st.integers(0, 19)) == 0:
            path = [*path[:-1], "bogus"]
        put(made, path, draw(spoiled(value)))
    return made


@st.composite
def spoiled(draw: st.DrawFn, value: object) -> object:
    if isinstance(value, list) and draw(st.booleans()):
        return [*value, draw(JUNK.filter(lambda junk: junk is not ABSENT))]
    if not isinstance(value, str) or draw(st.integers(0, 3)) == 0:
        return draw(JUNK)
    at = draw(st.integers(0, len(value)))
    other: str = draw(st.sampled_from([*string.punctuation, " ", "\n", "A", "0", "ä", ""]))
    return value[:at] + other + value[at + 1 :]


def leaves(tree: dict[str, Any]) -> Iterator[tuple[list[str], object]]:
    for name, value in tree.items():
        yield [name], value
        if isinstance(value, dict):
            yield from (([name, *path], leaf) for path, leaf in leaves(value))


def taken_by_the_model(raw: object) -> bool:
    try:
        read_shape(raw)
    except InvalidSpec:
        return False
    return True


def as_kubectl_sends(value: Any) -> Any:
    """2.0 becomes 2 on its way from a file: the server knows the one from the other where a rule reads it."""
    if isinstance(value, dict):
        return {name: as_kubectl_sends(item) for name, item in value.items()}
    if isinstance(value, list):
        return [as_kubectl_sends(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.mark.parametrize(
    "drawn",
    [specs(schema()["properties"]["spec"]), specs(Spec.model_json_schema(by_alias=True))],
    ids=["from the CRD", "from the model"],
)
def test_both_sides_give_the_same_verdict(judge: Server, drawn: st.SearchStrategy[dict[str, Any]]) -> None:
    verdicts = Counter[bool]()

    @settings(max_examples=150, suppress_health_check=list(HealthCheck))
    @given(raw=drawn)
    def agree(raw: dict[str, Any]) -> None:
        answer = judge.judge(as_kubectl_sends(raw))
        taken = taken_by_the_model(raw)
        verdicts[taken] += 1
        assert (answer.code == 201) == taken, answer.message
        if taken:
            assert read_shape(answer.body["spec"]) == read_shape(raw)

    agree()
    assert min(verdicts[True], verdicts[False]) > 20, "what is drawn has become one-sided"
