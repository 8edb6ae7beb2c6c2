"""The ConfigMaps of one API server in memory, as strict as the real one, with a plan of what goes wrong."""

import asyncio
import copy
import itertools
from collections.abc import Callable, Mapping
from enum import Enum

from engage_sync.kube import Conflict, Invalid, NotFound, Unavailable
from engage_sync.kube_http import Json


class Killed(BaseException):
    """The process is gone; nothing may catch this but the test."""


class Fault(Enum):
    """What happens to one write."""

    KILLED_BEFORE = "killed before it"
    KILLED_AFTER = "killed after it"
    ANSWER_LOST = "done, answer lost"
    NOT_DONE = "not done, no answer"


class FakeConfigMaps:
    """Implements `engage_sync.kube.ConfigMaps`."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Json] = {}
        self.writes: list[str] = []
        self.reads: list[str] = []
        self.faults: dict[int, Fault] = {}
        """By number of the write, from 0."""
        self.before: Callable[[str, str], None] = lambda verb, name: None
        """Called before every request: what others do in the meantime."""
        self._versions = itertools.count(1)

    def names(self) -> set[str]:
        return {name for _, name in self.objects}

    async def get_config_map(self, namespace: str, name: str) -> Json:
        await self._request("get", name)
        self.reads.append(name)
        if (namespace, name) not in self.objects:
            raise NotFound(f'configmaps "{name}" not found', reason="NotFound")
        return copy.deepcopy(self.objects[namespace, name])

    async def list_config_maps(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        await self._request("list", "")
        return [
            {"metadata": copy.deepcopy(found["metadata"])}
            for (where, _), found in sorted(self.objects.items())
            if where == namespace and labels.items() <= found["metadata"].get("labels", {}).items()
        ]

    async def create_config_map(self, body: Json) -> Json:
        def create() -> Json:
            place = self._place(body)
            if place in self.objects:
                raise Conflict(f'configmaps "{place[1]}" already exists', reason="AlreadyExists")
            return self._store(place, body, uid=f"uid-{next(self._versions)}")

        return await self._write("create", body["metadata"]["name"], create)

    async def replace_config_map(self, body: Json) -> Json:
        def replace() -> Json:
            place = self._place(body)
            if place not in self.objects:
                raise NotFound(f'configmaps "{place[1]}" not found', reason="NotFound")
            old = self.objects[place]
            if body["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"]:
                raise Conflict("the object has been modified", reason="Conflict")
            if old.get("immutable") and any(
                body.get(part) != old.get(part) for part in ("data", "binaryData", "immutable")
            ):
                raise Invalid("field is immutable when `immutable` is set", reason="Invalid")
            return self._store(place, body, uid=old["metadata"]["uid"])

        return await self._write("replace", body["metadata"]["name"], replace)

    async def delete_config_map(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        def delete() -> Json:
            if (namespace, name) not in self.objects:
                raise NotFound(f'configmaps "{name}" not found', reason="NotFound")
            metadata = self.objects[namespace, name]["metadata"]
            if (metadata["uid"], metadata["resourceVersion"]) != (uid, resource_version):
                raise Conflict("the precondition does not hold", reason="Conflict")
            return self.objects.pop((namespace, name))

        await self._write("delete", name, delete)

    async def _request(self, verb: str, name: str) -> None:
        await asyncio.sleep(0)  # as a real request, it lets others go on
        self.before(verb, name)

    async def _write(self, verb: str, name: str, write: Callable[[], Json]) -> Json:
        await self._request(verb, name)
        fault = self.faults.get(len(self.writes))
        self.writes.append(f"{verb} {name}")
        if fault is Fault.KILLED_BEFORE:
            raise Killed
        if fault is Fault.NOT_DONE:
            raise Unavailable("no answer")
        stored = write()
        if fault is Fault.KILLED_AFTER:
            raise Killed
        if fault is Fault.ANSWER_LOST:
            raise Unavailable("connection reset")
        return copy.deepcopy(stored)

    def _place(self, body: Json) -> tuple[str, str]:
        return body["metadata"]["namespace"], body["metadata"]["name"]

    def _store(self, place: tuple[str, str], body: Json, uid: str) -> Json:
        stored = copy.deepcopy(body)
        stored["metadata"] |= {"uid": uid, "resourceVersion": str(next(self._versions))}
        self.objects[place] = stored
        return stored
