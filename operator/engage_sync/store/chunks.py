"""The chunk objects of one mapping: immutable ConfigMaps, named by what is in them.

Why deletes are safe although a former leader may wake up at any time: whatever is deleted must still have
the resourceVersion that was seen before the commit that made it garbage; and whoever uses a chunk that is
there already writes to its metadata first, so that it gets another one.
"""

import asyncio
import base64
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from engage_sync.kube import ConfigMaps, Conflict, KubeError, NotFound, Unavailable
from engage_sync.kube_http import Json
from engage_sync.resource import API_VERSION, GROUP, KIND, MANAGED_BY, MANAGER, SYNCTARGET_LABEL
from engage_sync.store import codec
from engage_sync.store.codec import Chunk, Corrupt
from engage_sync.store.errors import StoreUnavailable
from engage_sync.store.index import ChunkRef
from engage_sync.together import all_of
from reconcilers.model import Entry

IN_FLIGHT = 8
"""Requests at once; the API server serves others, too."""

USED_BY = f"{GROUP}/used-by"
"""Annotation: the last commit that meant to use this chunk."""

T = TypeVar("T")
_TRIES = 5
_DATA = "entries.gz"


@dataclass(frozen=True, slots=True)
class Home:
    """Where the objects of one mapping live, how they are named, and to whom they belong."""

    namespace: str
    name: str
    """Of the SyncTarget."""
    uid: str
    """Of the SyncTarget."""

    @property
    def index(self) -> str:
        """The name of the index object."""
        return f"engage-sync-{self.name}-{self.uid[:8]}-mapping"

    def chunk(self, shard: int, chunk: Chunk) -> str:
        """The name of a chunk object."""
        return f"{self.index}-{shard}-{chunk.sha256[:16]}"

    def is_chunk(self, name: str) -> bool:
        """Whether an object of this name is a chunk of this mapping."""
        return re.fullmatch(re.escape(self.index) + "-[0-9]{1,4}-[0-9a-f]{16}", name) is not None

    @property
    def labels(self) -> dict[str, str]:
        """What the objects of the mapping are found by."""
        return {
            MANAGED_BY: MANAGER,
            SYNCTARGET_LABEL: self.name,
            "app.kubernetes.io/component": "mapping",  # other things of the same SyncTarget are not
        }

    def object(self, name: str, used_by: str) -> Json:
        """A ConfigMap of the mapping, without its content."""
        owner = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "name": self.name,
            "uid": self.uid,
            "controller": True,
            "blockOwnerDeletion": False,
        }
        metadata = {
            "namespace": self.namespace,
            "name": name,
            "labels": self.labels,
            "annotations": {USED_BY: used_by},
            "ownerReferences": [owner],
        }
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}


@dataclass(slots=True)
class Chunks:
    """Reads, makes and removes the chunk objects, and remembers in which version it saw each."""

    api: ConfigMaps
    home: Home
    _seen: dict[str, tuple[str, str]] = field(default_factory=dict)
    """uid and resourceVersion by name."""
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    async def read(self, refs: Iterable[ChunkRef]) -> list[list[Entry]]:
        """The entries of all chunks.

        Raises:
            NotFound: one is not there.
            Corrupt: one holds something else.
        """
        refs = tuple(refs)
        if not all(self.home.is_chunk(ref.name) for ref in refs):
            raise Corrupt("the index names objects that are no chunks of it")
        return await all_of(self._read(ref) for ref in refs)

    async def write(self, chunks: Iterable[tuple[str, Chunk]], used_by: str) -> None:
        """Make sure that each is there with this content.

        Raises:
            StoreUnavailable: one could not be made.
            KubeError: likewise.
        """
        await all_of(self._write(name, chunk, used_by) for name, chunk in chunks)

    async def look_around(self) -> None:
        """Note what former commits left behind; only before a commit, see above."""
        for found in await self.api.list_config_maps(self.home.namespace, self.home.labels):
            if self.home.is_chunk(found["metadata"]["name"]):
                self._note(found)

    async def remove_all_but(self, needed: Collection[str]) -> None:
        """Delete what is not needed any more, right after a commit; what resists is left for the next one."""
        await all_of(self._remove(name) for name in sorted(self._seen.keys() - set(needed)))

    async def _read(self, ref: ChunkRef) -> list[Entry]:
        async with self._slots:
            found = await self.api.get_config_map(self.home.namespace, ref.name)
        self._note(found)
        entries = await asyncio.to_thread(_unpack, found, ref.sha256)
        if len(entries) != ref.entries:
            raise Corrupt(f"{len(entries)} entries instead of {ref.entries}")
        return entries

    async def _write(self, name: str, chunk: Chunk, used_by: str) -> None:
        async with self._slots:
            packed = await asyncio.to_thread(codec.pack, chunk.raw)
            body = self.home.object(name, used_by)
            body["binaryData"] = {_DATA: base64.b64encode(packed).decode()}
            body["immutable"] = True
            for _ in range(_TRIES):
                if await self._create(body) or await self._take_over(name, chunk.sha256, used_by):
                    return
        raise StoreUnavailable(f"ConfigMap {name} is made and deleted by someone else at the same time")

    async def _create(self, body: Json) -> bool:
        try:
            self._note(await self.api.create_config_map(body))
        except (Conflict, Unavailable):  # perhaps only the answer was lost: look what is there
            return False
        return True

    async def _take_over(self, name: str, sha256: str, used_by: str) -> bool:
        """Use the object that has the name already; False to begin anew, after deleting a spoilt one."""
        try:
            found = await self.api.get_config_map(self.home.namespace, name)
            self._note(found)
            try:
                await asyncio.to_thread(_unpack, found, sha256)
            except Corrupt:
                await self._delete(name)
                return False
            metadata = found["metadata"]
            wanted = self.home.object(name, used_by)["metadata"]
            found["metadata"] = {**wanted, "resourceVersion": metadata["resourceVersion"]}
            self._note(await self.api.replace_config_map(found))
        except (NotFound, Conflict):
            return False
        return True

    async def _remove(self, name: str) -> None:
        try:
            async with self._slots:
                await self._delete(name)
        except (NotFound, Conflict):
            self._seen.pop(name, None)  # gone, or in use by someone else
        except KubeError:
            pass  # the commit is done; the next one tries again

    async def _delete(self, name: str) -> None:
        uid, resource_version = self._seen[name]
        await self.api.delete_config_map(
            self.home.namespace, name, uid=uid, resource_version=resource_version
        )
        self._seen.pop(name, None)

    def _note(self, found: Json) -> None:
        metadata = found["metadata"]
        self._seen[metadata["name"]] = (metadata["uid"], metadata["resourceVersion"])


def _unpack(found: Json, sha256: str) -> list[Entry]:
    try:
        packed = base64.b64decode(found["binaryData"][_DATA], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise Corrupt("a chunk without entries") from error
    return codec.decode(codec.unpack(packed, sha256))
