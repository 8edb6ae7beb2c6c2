"""SyncPlans and the chunks beside them as objects of the API: found, made, changed and removed.

Every write carries the uid and the resourceVersion of what was read; where perhaps only the answer was lost,
it is looked what is there.
"""

import asyncio
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

from engage_sync.kube import Conflict, KubeError, NotFound, SyncPlans, Unavailable
from engage_sync.kube_http import Json
from engage_sync.plan_document import PlanDocument
from engage_sync.plans.life import Change
from engage_sync.plans.owner import Owner
from engage_sync.plans.reading import IN_FLIGHT, plans_of, read_chunks
from engage_sync.resource import API_VERSION
from engage_sync.syncplan import SYNCPLAN_KIND, SyncPlanSpec
from engage_sync.together import all_of

ATTEMPTS = 5
"""Tries of one write while others write too."""


class PlanObjects:
    """The SyncPlans of one SyncTarget. Its methods raise KubeError."""

    def __init__(self, kube: SyncPlans, owner: Owner) -> None:
        self.known: dict[str, Json] = {}
        """As last seen, by name, the oldest first."""
        self._listed = False
        self._kube = kube
        self._owner = owner

    async def refresh(self) -> None:
        """Look what there is.

        Raises:
            PlansUnavailable: the API server does not know SyncPlans.
        """
        self.known = await plans_of(self._kube, self._owner)
        self._listed = True

    async def ensure_listed(self) -> None:
        """Look what there is, unless it is known."""
        if not self._listed:
            await self.refresh()

    async def read(self, body: Json) -> PlanDocument:
        """All the steps of one. Raises NotThisPlan when they are not (all) there."""
        return await read_chunks(self._kube, self._owner, body)

    async def make(
        self, run_id: str, spec: SyncPlanSpec, chunks: Callable[[], Iterable[dict[str, str]]]
    ) -> Json:
        """A new one without a state; the data of its chunks are made when it is there."""
        body = await self._create_plan(
            {
                "apiVersion": API_VERSION,
                "kind": SYNCPLAN_KIND,
                "metadata": self._owner.plan_metadata(run_id),
                "spec": dict(spec),
            }
        )
        datas = await asyncio.to_thread(lambda: list(chunks()))
        uid = body["metadata"]["uid"]
        writes = (self._create_chunk(run_id, uid, number, data) for number, data in enumerate(datas))
        await all_of(writes, IN_FLIGHT)
        return body

    async def update(self, body: Json, change: Change) -> Json | None:
        """Write the changed status; the object as it is then, None when it is gone or `change` leaves it."""
        metadata = body["metadata"]
        for _ in range(ATTEMPTS):
            status = change(body)
            if status is None:
                return None
            if status == (body.get("status") or {}):
                break
            try:
                body = await self._kube.replace_sync_plan_status(
                    {**body, "apiVersion": API_VERSION, "kind": SYNCPLAN_KIND, "status": status}
                )
                break
            except NotFound:
                return None
            except (Conflict, Unavailable):  # perhaps only the answer was lost: look what is there
                try:
                    body = await self._kube.get_sync_plan(metadata["namespace"], metadata["name"])
                except NotFound:
                    return None
                if body["metadata"]["uid"] != metadata["uid"]:
                    return None
        else:
            raise KubeError(f"SyncPlan {metadata['name']}: others write its status all the time")
        self.known[str(metadata["name"])] = body
        return body

    async def remove(self, bodies: Collection[Json]) -> None:
        """Delete these with their chunks, but for those that somebody touched."""
        gone = [body["metadata"]["uid"] for body in bodies if await self._delete_plan(body["metadata"])]
        if not gone:
            return
        # The garbage collector does it, too, if somebody runs it.
        for found in await self._kube.list_config_maps(self._owner.namespace, self._owner.chunk_labels):
            owners = [owner.get("uid") for owner in found["metadata"].get("ownerReferences") or []]
            if any(owner in gone for owner in owners):
                await self._delete_chunk(found["metadata"])

    async def _create_plan(self, body: Json) -> Json:
        try:
            return await self._kube.create_sync_plan(body)
        except (Conflict, Unavailable) as error:  # perhaps only the answer was lost: look what is there
            try:
                found = await self._kube.get_sync_plan(
                    body["metadata"]["namespace"], body["metadata"]["name"]
                )
            except NotFound:
                raise error from None
            if found["spec"] != body["spec"]:
                raise
            return found

    async def _create_chunk(self, run_id: str, plan_uid: str, number: int, data: dict[str, str]) -> None:
        metadata = self._owner.chunk_metadata(run_id, number, plan_uid)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": metadata,
            "binaryData": data,
            "immutable": True,
        }
        for left in reversed(range(ATTEMPTS)):
            try:
                await self._kube.create_config_map(body)
            except (Conflict, Unavailable) as error:
                if await self._is_there(body):
                    return
                if not left:
                    raise error
            else:
                return

    async def _is_there(self, body: Json) -> bool:
        """Was only the answer lost? What has the name and is not ours goes."""
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        try:
            found = await self._kube.get_config_map(namespace, name)
            if found.get("binaryData") == body["binaryData"] and found.get("immutable"):
                return True
            metadata = found["metadata"]
            await self._kube.delete_config_map(
                namespace, name, uid=metadata["uid"], resource_version=metadata["resourceVersion"]
            )
        except (NotFound, Conflict):
            pass
        return False

    async def _delete_plan(self, metadata: Json) -> bool:
        try:
            await self._kube.delete_sync_plan(
                metadata["namespace"],
                metadata["name"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )
        except NotFound:
            return True
        except Conflict:
            return False  # somebody touched it; the next run looks again
        return True

    async def _delete_chunk(self, metadata: Json) -> None:
        with suppress(NotFound, Conflict):  # gone already, or left to the garbage collector
            await self._kube.delete_config_map(
                metadata["namespace"],
                metadata["name"],
                uid=metadata["uid"],
                resource_version=metadata["resourceVersion"],
            )
