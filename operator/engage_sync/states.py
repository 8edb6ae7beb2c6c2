"""The status of a SyncTarget: plain JSON, because it is read, compared and written as such.

The bounds are the CRD's, `crds/synctargets.engage-sync.io.yaml`; a test holds it against these types.
"""

from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads typing's own only from Python 3.12 on

from engage_sync.resource import EXPLAIN_MAX, REQUESTED_AT_MAX

MESSAGE_MAX = 512
"""Longest message of a condition, in characters."""

Timestamp = Annotated[str, Field(max_length=32, json_schema_extra={"format": "date-time"})]
"""RFC 3339, in UTC."""
KindName = Annotated[str, Field(max_length=16)]
ReasonName = Annotated[str, Field(max_length=32)]
ResultName = Annotated[str, Field(max_length=16)]
RunId = Annotated[str, Field(max_length=16)]
Digest = Annotated[str, Field(max_length=72)]
PlanSummary = Annotated[str, Field(max_length=64)]
PlanName = Annotated[str, Field(max_length=64)]
SourceKey = Annotated[str, Field(max_length=80)]
Line = Annotated[str, Field(max_length=128)]


class Condition(TypedDict):
    """One condition, in the shape of metav1.Condition."""

    type: Annotated[str, Field(max_length=32)]
    status: Annotated[str, Field(max_length=8)]
    reason: ReasonName
    message: Annotated[str, Field(max_length=MESSAGE_MAX)]
    lastTransitionTime: Timestamp
    observedGeneration: NotRequired[int]


class PlanStatus(TypedDict, total=False):
    """What the last plan held."""

    summary: PlanSummary
    digest: Digest
    name: PlanName
    """Of its SyncPlan; absent when it has none."""
    heldDigest: Digest
    """Of the held steps; what an approval names."""
    held: int
    """Steps that wait for approval."""


class Explanation(TypedDict, total=False):
    """The answer to the annotation `EXPLAIN`."""

    key: SourceKey
    token: Annotated[str, Field(max_length=EXPLAIN_MAX)]
    """The annotation that this answers."""
    lines: Annotated[list[Line], Field(max_length=12)]


class KindStatus(TypedDict):
    """One row per kind."""

    kind: KindName
    source: NotRequired[int]
    inScope: NotRequired[int]
    target: NotRequired[int]
    mapped: NotRequired[int]
    created: NotRequired[int]
    updated: NotRequired[int]
    deleted: NotRequired[int]
    failed: NotRequired[int]
    skipped: NotRequired[int]


class Requests(TypedDict, total=False):
    """Calls made."""

    source: int
    target: int


class LastRun(TypedDict, total=False):
    """The last run that ended."""

    id: RunId
    trigger: Annotated[str, Field(max_length=16)]
    startTime: Timestamp
    finishTime: Timestamp
    result: ResultName
    requests: Requests


class KindProgress(TypedDict):
    """How far a run has come with one kind."""

    kind: KindName
    done: NotRequired[int]
    total: NotRequired[int]


class ProgressStatus(TypedDict, total=False):
    """How far a run has come that is under way."""

    done: int
    """Steps that have ended, failed ones too."""
    total: int
    ratePerMinute: int
    estimatedFinish: Timestamp
    quotaLeft: int
    """Calls to Engage left of this week; absent without a limit."""
    kinds: Annotated[list[KindProgress], Field(max_length=7)]


class MappingStatus(TypedDict, total=False):
    """The mapping store."""

    entries: int
    shards: int
    digest: Digest


class Quota(TypedDict, total=False):
    """The week's calls to Engage; outlives the process."""

    weekStart: Timestamp
    used: int


class Failure(TypedDict):
    """One entity that failed."""

    kind: KindName
    sourceKey: SourceKey
    name: NotRequired[Annotated[str, Field(max_length=40)]]
    action: NotRequired[Annotated[str, Field(max_length=12)]]
    reason: NotRequired[ReasonName]
    message: NotRequired[Annotated[str, Field(max_length=88)]]
    attempts: NotRequired[int]


class Skip(TypedDict):
    """How many of a kind were left out for one reason."""

    kind: KindName
    reason: ReasonName
    count: NotRequired[int]


class HistoryEntry(TypedDict):
    """One finished run."""

    id: RunId
    finishTime: NotRequired[Timestamp]
    result: NotRequired[ResultName]
    plan: NotRequired[PlanSummary]


class Status(TypedDict, total=False):
    """What the operator found and did; under 64 KiB by its bounds at 4 bytes a character."""

    observedGeneration: int
    lastHandledReconcileAt: Annotated[str, Field(max_length=REQUESTED_AT_MAX)]
    plan: PlanStatus
    explain: Explanation
    conditions: Annotated[list[Condition], Field(max_length=6)]
    kinds: Annotated[list[KindStatus], Field(max_length=7)]
    progress: ProgressStatus
    """Only while a run carries out its plan, and not of one that ends within seconds."""
    summary: Annotated[list[Line], Field(max_length=12)]
    lastRun: LastRun
    lastSuccessfulSyncTime: Timestamp
    nextSyncTime: Timestamp
    mapping: MappingStatus
    quota: Quota
    failures: Annotated[list[Failure], Field(max_length=20)]
    failuresTruncated: int
    skips: Annotated[list[Skip], Field(max_length=20)]
    history: Annotated[list[HistoryEntry], Field(max_length=5)]
