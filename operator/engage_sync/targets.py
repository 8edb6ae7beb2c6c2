"""SyncTargets as the operator meets them: read fresh, watched live, status written with uid and version."""

import asyncio
import copy
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from engage_sync.announce import Announcement
from engage_sync.crd import fit_status
from engage_sync.fields import canonical_url
from engage_sync.kube import Conflict, Kube, KubeError, NotFound
from engage_sync.plans.reading import needs_a_run
from engage_sync.schedule import paused
from engage_sync.spec import Spec
from engage_sync.states import Status
from reconcilers.errors import Halted

log = logging.getLogger(__name__)

ATTEMPTS = 5
"""Tries of one status write while others write too; each one starts from what they wrote."""

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Target:
    """One SyncTarget at one moment, read from the API server itself and not from a cache."""

    body: Body

    @property
    def namespace(self) -> str:
        """Its namespace; its Secrets and its mapping lie there too."""
        return str(self.body["metadata"]["namespace"])

    @property
    def name(self) -> str:
        """Its name."""
        return str(self.body["metadata"]["name"])

    @property
    def uid(self) -> str:
        """What tells it from another one of the same name before or after it."""
        return str(self.body["metadata"]["uid"])

    @property
    def generation(self) -> int:
        """Counts changes of the spec."""
        return int(self.body["metadata"].get("generation", 0))

    @property
    def annotations(self) -> Mapping[str, str]:
        """Its annotations."""
        return self.body["metadata"].get("annotations") or {}

    @property
    def spec(self) -> Mapping[str, Any]:
        """Its spec as written."""
        return self.body.get("spec") or {}

    @property
    def status(self) -> Status:
        """Its status as last written."""
        return cast(Status, self.body.get("status") or {})

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(eq=False, slots=True)
class Watched:
    """What the watch last said of one SyncTarget, and the wake-up call of its loop."""

    namespace: str
    name: str
    uid: str
    body: Body = field(default_factory=dict)
    gone: bool = False
    writing: bool = False
    """Has the run that is under way begun to write?"""
    warned_of: str | None = None
    """The token that was already said to be too long."""
    ran_for: str = ""
    """The approved plan that a run was started for at once."""
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def see(self, body: Body) -> None:
        """Take a newer version; wake the loop when somebody else than the loop itself changed it."""
        news = _concerns(body) != _concerns(self.body)
        self.body = copy.deepcopy(dict(body))
        if news:
            self.wake.set()

    def check_still_wanted(self, target: Target, spec: Spec) -> None:
        """May a run of this spec go on writing? Raises Halted when not."""
        self.writing = True
        metadata = self.body.get("metadata", {})
        if self.gone or metadata.get("deletionTimestamp"):
            raise Halted("the SyncTarget is being deleted")
        if paused(metadata.get("annotations") or {}):
            raise Halted("the SyncTarget is paused")
        if metadata.get("generation", 0) > target.generation and _work(self.body["spec"]) != _work(
            target.spec
        ):
            raise Halted("the spec has changed")

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


class SyncTargets:
    """All SyncTargets that this operator follows."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._users: dict[str, Body] = {}

    async def learn(self, namespaces: Iterable[str | None]) -> None:
        """Know everybody before anybody runs: who was there first must not depend on the watch's order."""
        for namespace in namespaces:
            for body in await self._kube.list_sync_targets(namespace):
                self.saw(body)

    def saw(self, body: Body) -> None:
        """Note who uses which Engage; one that is going starts no run any more, and holds nobody up."""
        if body["metadata"].get("deletionTimestamp"):
            self.lost(body["metadata"]["uid"])
        else:
            self._users[body["metadata"]["uid"]] = body

    def lost(self, uid: str) -> None:
        """A SyncTarget is gone, or going."""
        self._users.pop(uid, None)

    async def get(self, watched: Watched) -> Target | None:
        """The target as it is now; None when it is gone, going, or another one of the same name."""
        try:
            body = await self._kube.get_sync_target(watched.namespace, watched.name)
        except NotFound:
            return None
        metadata = body["metadata"]
        if metadata["uid"] != watched.uid or metadata.get("deletionTimestamp"):
            return None
        return Target(body)

    def older_known(self, target: Target, api_url: str) -> list[Body]:
        """Who was there first with the same Engage, the oldest first, by what the watch has said so far."""
        mine, wanted = _age(target.body), api_url.casefold()
        older = (body for body in self._users.values() if _age(body) < mine and _api_url(body) == wanted)
        return sorted(older, key=_age)

    async def older_user(self, target: Target, api_url: str) -> str | None:
        """Who was there first with the same Engage; None when this target was."""
        for body in self.older_known(target, api_url):
            other = Target(body)
            if await self.get(Watched(other.namespace, other.name, other.uid)) is not None:
                return str(other)
            self.lost(other.uid)
        return None

    async def approved(self, target: Target, watched: Watched) -> str:
        """The target's last plan if a person approved what it holds and no run has carried that out; else "".

        Not if a run was started for it before: one that fails with it is tried again in its time.
        Raises KubeError when the API server cannot be reached.
        """
        plan = target.status.get("plan", {})
        name = plan.get("name", "") if plan.get("heldDigest") else ""
        if not name or name == watched.ran_for or not await needs_a_run(self._kube, target.namespace, name):
            return ""
        return name

    async def update_status(
        self, target: Target, change: Callable[[Status], Status]
    ) -> tuple[Status, Target] | None:
        """Write the changed status, guarded by uid and resourceVersion.

        The former status and the target as it is then; None if nothing was written.

        Raises KubeError when the API server cannot be reached.
        """
        body: dict[str, Any] = dict(target.body)
        for _ in range(ATTEMPTS):
            old = cast(Status, body.get("status") or {})
            new = fit_status(change(copy.deepcopy(old)))
            if new == old:
                return None
            try:
                written = await self._kube.replace_sync_target_status({**body, "status": new})
            except NotFound:
                return None
            except Conflict:
                fresh = await self.get(Watched(target.namespace, target.name, target.uid))
                if fresh is None:
                    return None
                body = dict(fresh.body)
            else:
                return old, Target(written)
        raise KubeError(f"the status of {target} could not be written: others write it all the time")

    async def announce(self, target: Target, announcement: Announcement) -> None:
        """Post an Event; one that cannot be posted is only logged, it changes nothing."""
        log.info("%s: %s: %s", target, announcement.reason, announcement.message)
        try:
            await self._kube.create_event(
                dict(target.body),
                "Warning" if announcement.warning else "Normal",
                announcement.reason,
                announcement.message,
                time.time(),
            )
        except KubeError as error:
            log.warning("%s: the Event %s could not be posted: %s", target, announcement.reason, error)


def _concerns(body: Body) -> tuple[Any, ...]:
    """What of an object other people change: our own status writes wake nobody."""
    metadata = body.get("metadata", {})
    return metadata.get("generation"), metadata.get("annotations"), metadata.get("deletionTimestamp")


def _work(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec but for what does not concern a run that is under way."""
    return {name: value for name, value in spec.items() if name != "schedule"}


def _age(body: Body) -> tuple[str, str]:
    return str(body["metadata"].get("creationTimestamp", "")), str(body["metadata"]["uid"])


def _api_url(body: Body) -> str:
    url = (body.get("spec") or {}).get("target", {}).get("apiURL", "")
    return str(canonical_url(str(url))).casefold()
