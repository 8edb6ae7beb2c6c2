"""SyncPlan as this operator writes and reads it: its names, its spec, its status.

The bounds are the CRD's, `crds/syncplans.engage-sync.io.yaml`; a test holds it against these types. Plain
JSON, as the status of a SyncTarget is (`states.py`).
"""

from enum import StrEnum
from typing import Annotated, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic reads typing's own only from Python 3.12 on

from engage_sync.states import (
    Condition,
    Digest,
    KindName,
    PlanName,
    PlanSummary,
    ReasonName,
    RunId,
    SourceKey,
)

SYNCPLAN_KIND = "SyncPlan"
SYNCPLAN_PLURAL = "syncplans"

DESTRUCTIVE_MAX = 100
"""Most entries of ``spec.destructive``; the rest is counted in ``spec.destructiveTruncated``."""
CHUNKS_MAX = 256
QUARANTINE_MAX = 8

UNKNOWN_BOOKINGS = "unknown"
"""What ``bookings`` says where they cannot be known; never "0"."""


class State(StrEnum):
    """What became of a plan: ``status.state``."""

    PLANNED = "Planned"
    APPROVAL_REQUIRED = "ApprovalRequired"
    QUARANTINED = "Quarantined"
    APPLYING = "Applying"
    APPLIED = "Applied"
    PARTIALLY_APPLIED = "PartiallyApplied"
    SUPERSEDED = "Superseded"


def syncplan_name(synctarget: str, run_id: str) -> str:
    """The name that the CRD asks for: no run can write the plan of another."""
    return f"{synctarget}-{run_id}"


class Counts(TypedDict):
    """Steps of one kind, by action."""

    kind: KindName
    create: NotRequired[int]
    update: NotRequired[int]
    replace: NotRequired[int]
    adopt: NotRequired[int]
    rebind: NotRequired[int]
    delete: NotRequired[int]
    held: NotRequired[int]
    """Of these."""


class Destructive(TypedDict):
    """One step that deletes or replaces, and what hangs below."""

    action: Annotated[str, Field(max_length=16)]
    kind: KindName
    key: SourceKey
    name: NotRequired[Annotated[str, Field(max_length=96)]]
    reason: NotRequired[Annotated[str, Field(max_length=128)]]
    """Why it is to be done."""
    held: NotRequired[ReasonName]
    """Why it waits for approval; empty when it does not."""
    floors: NotRequired[int]
    resources: NotRequired[int]
    bookings: NotRequired[Annotated[str, Field(max_length=16)]]
    """A number, or `UNKNOWN_BOOKINGS`; absent for what has none by nature."""


class Approval(TypedDict):
    """Lets the held steps run, once."""

    digest: Digest
    """The plan's own ``heldDigest``."""
    by: Annotated[str, Field(max_length=1024)]
    """The name of the user."""


class SyncPlanSpec(TypedDict):
    """What one run found; frozen by the CRD, but `approval` can be set once."""

    synctarget: Annotated[str, Field(max_length=40)]
    synctargetUID: Annotated[str, Field(max_length=64)]
    runID: RunId
    digest: Digest
    """Over all steps in their canonical order."""
    heldDigest: NotRequired[Digest]
    """Over the held steps alone; absent when none is held."""
    riskDigest: NotRequired[Digest]
    """Over what is known of the held steps; absent when none is held."""
    summary: PlanSummary
    counts: Annotated[list[Counts], Field(max_length=7)]
    held: int
    quarantine: NotRequired[
        Annotated[list[Annotated[str, Field(max_length=512)]], Field(max_length=QUARANTINE_MAX)]
    ]
    """Why nothing at all may be written; absent when something may."""
    destructive: NotRequired[Annotated[list[Destructive], Field(max_length=DESTRUCTIVE_MAX)]]
    destructiveTruncated: NotRequired[int]
    chunks: Annotated[list[Annotated[str, Field(max_length=128)]], Field(max_length=CHUNKS_MAX)]
    """Names of ConfigMaps, in order."""
    estimatedCalls: int
    """Calls to Engage that all steps cost."""
    quotaLeft: NotRequired[int]
    """Calls left of the week after them; absent without a weekly limit."""
    approval: NotRequired[Approval]


class SyncPlanStatus(TypedDict, total=False):
    """What became of the plan."""

    state: Annotated[str, Field(max_length=32)]
    """One of `State`; a later version may know more."""
    supersededBy: PlanName
    conditions: Annotated[list[Condition], Field(max_length=6)]
