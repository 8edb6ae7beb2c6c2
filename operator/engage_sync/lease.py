"""Elects one leader among the replicas of the operator, by a Lease.

- Nobody's wall clock is compared with another's: a Lease has expired when its own duration has passed on
  *our* clock since we last saw it change.
- Every write carries the resourceVersion that was read, so that of two candidates one is refused.
- A leader counts from *before* its request and stops writing at the renew deadline; a candidate counts from
  *after* it saw the change and waits for the whole duration. What lies between (5 s) is for calls in flight,
  and for clocks that do not run equally fast.
"""

import asyncio
import logging
import math
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from engage_sync.kube import Conflict, KubeError, Leases, NotFound
from engage_sync.kube_http import Json

log = logging.getLogger(__name__)

_MOMENT = 0.01
"""Seconds too short for a request."""


class Lost(Exception):
    """No longer the leader, and no write may start; the process should end."""


def steady_clock() -> float:
    """Seconds that go on while the machine sleeps, where there is such a clock: a Lease expires meanwhile."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


class Elector:
    """One candidate. `acquire`, then `hold` beside the work, then `release`."""

    def __init__(
        self,
        leases: Leases,
        *,
        namespace: str,
        name: str,
        identity: str,
        duration: float = 15.0,
        renew_deadline: float = 10.0,
        retry: float = 2.0,
        monotonic: Callable[[], float] = steady_clock,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """A candidate for the Lease `name`.

        Args:
            leases: the Kubernetes API.
            namespace: of the Lease.
            name: of the Lease.
            identity: another one in every process, also after a restart.
            duration: seconds without a renewal after which others may take over.
            renew_deadline: seconds without a renewal after which the leader stops writing.
            retry: seconds between two tries, of a leader to renew and of a candidate to acquire.
            monotonic: our clock, in seconds from anywhere.
            wall: seconds since the epoch; only for people who look at the Lease.
        """
        if not retry < renew_deadline < duration:
            raise ValueError("it must be that retry < renew_deadline < duration")
        self.identity = identity
        self._leases = leases
        self._namespace, self._name = namespace, name
        self._duration, self._renew_deadline, self._retry = duration, renew_deadline, retry
        self._monotonic, self._wall = monotonic, wall
        self._held: Json | None = None
        """The Lease as we wrote it last; None unless we lead."""
        self._renewed = -math.inf
        self._seen: tuple[object, ...] = ()
        self._seen_at = -math.inf
        self._seen_duration = 0.0
        self._complaint = ""

    @property
    def token(self) -> int | None:
        """Grows with every change of leader: a fencing token. None unless we were elected."""
        return None if self._held is None else int(self._held["spec"]["leaseTransitions"])

    def is_leader(self) -> bool:
        """Whether a write may start now; asked before each, it costs nothing."""
        return self._held is not None and self._left() > 0

    async def acquire(self) -> None:
        """Wait until we are the leader, through outages and other leaders."""
        while True:
            if await self._attempt(self._retry * 2):
                return
            await asyncio.sleep(self._retry)

    async def hold(self) -> None:
        """Renew until cancelled.

        Raises:
            Lost: another leads, or no renewal succeeded within the deadline; no write has been allowed since.
        """
        failed = False
        while self._held is not None:
            await asyncio.sleep(min(self._retry, max(self._left(), 0)))
            left = self._left()
            if failed and left < _MOMENT:
                break
            # Past the deadline without having failed: we were frozen. One try is harmless then, because it
            # succeeds only if nobody came between.
            within = self._retry * 2 if left < _MOMENT else min(self._retry * 2, left)
            failed = not await self._attempt(within)
        self._held = None
        raise Lost

    def _left(self) -> float:
        """Seconds until the renew deadline."""
        return self._renewed + self._renew_deadline - self._monotonic()

    async def release(self) -> None:
        """Let the next one start at once; only after all work has stopped. Never raises, and ends soon."""
        held, self._held = self._held, None
        if held is None:
            return
        held["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": self._now()}
        try:
            async with asyncio.timeout(self._retry * 2):
                await self._leases.replace_lease(held)
        except (KubeError, TimeoutError) as error:
            log.info("the Lease could not be released, the next leader will wait for it to expire: %s", error)

    async def _attempt(self, within: float) -> bool:
        """Try once, for some seconds; whether it succeeded."""
        try:
            async with asyncio.timeout(within):
                return await self._try()
        except (KubeError, TimeoutError) as error:
            complaint = str(error) or "no answer in time"
            if complaint != self._complaint:
                log.warning("the Lease %s/%s: %s", self._namespace, self._name, complaint)
            self._complaint = complaint
            return False

    async def _try(self) -> bool:
        started = self._monotonic()
        try:
            if self._held is not None:
                # One request, and proof that nobody came between: the resourceVersion is still ours.
                return self._won(await self._leases.replace_lease(self._ours(self._held)), started)
        except (Conflict, NotFound):
            pass  # the answer to our last renewal was lost, or it is not ours any more: look
        try:
            found = await self._leases.get_lease(self._namespace, self._name)
        except NotFound:
            found = {}
        self._see(found)
        if not self._may_take(found):
            return False
        try:
            return self._won(await self._put(found), started)
        except (Conflict, NotFound):
            return False  # someone was faster

    def _may_take(self, found: Json) -> bool:
        spec = found.get("spec") or {}
        if self._held is not None:
            still_ours = (spec.get("holderIdentity"), spec.get("leaseTransitions")) == (
                self.identity,
                self.token,
            )
            if found and not still_ours:
                self._held = None
            return self._held is not None
        if found and not spec.get("holderIdentity"):
            return True
        # Deleted by hand while someone leads: they may still be writing.
        return self._monotonic() >= self._seen_at + self._seen_duration

    def _see(self, found: Json) -> None:
        """Note the Lease, and when it was first seen like this."""
        spec = found.get("spec") or {}
        state = (
            (spec.get("holderIdentity"), spec.get("renewTime"), found["metadata"]["resourceVersion"])
            if found
            else ()
        )
        if found and state != self._seen:
            self._seen, self._seen_at = state, self._monotonic()
            self._seen_duration = float(spec.get("leaseDurationSeconds") or self._duration)

    async def _put(self, found: Json) -> Json:
        if found:
            return await self._leases.replace_lease(self._ours(found))
        former = {} if self._held is None else {"spec": self._held["spec"]}
        return await self._leases.create_lease(self._ours(former))

    def _won(self, stored: Json, started: float) -> bool:
        self._held, self._renewed, self._complaint = stored, started, ""
        self._see(stored)
        return True

    def _ours(self, former: Json) -> Json:
        """The Lease as we want it, over what is there."""
        now = self._now()
        spec: dict[str, Any] = dict(former.get("spec") or {})
        if self._held is None:
            spec["acquireTime"] = now
            spec["leaseTransitions"] = int(spec.get("leaseTransitions") or 0) + bool(former)
        spec |= {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": math.ceil(self._duration),
            "renewTime": now,
        }
        metadata = former.get("metadata") or {"namespace": self._namespace, "name": self._name}
        return {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata, "spec": spec}

    def _now(self) -> str:
        return datetime.fromtimestamp(self._wall(), UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
