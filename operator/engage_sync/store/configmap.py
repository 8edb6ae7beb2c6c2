"""Keeps a mapping in ConfigMaps beside its SyncTarget.

A commit makes new immutable chunks, then writes the index with the resourceVersion it was read with: that
one write is the commit. Chunks that no index names any more are deleted after it. So a crash between any two
writes leaves the former mapping or the new one, and of two writers one is refused.

Deleted by hand while a run goes on: the next commit makes index and chunks anew from the entries the run
holds, which are the truth as far as it is known. Nobody else may have committed in between, or making the
index is refused.
"""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from engage_sync.kube import ConfigMaps, Conflict, KubeError, NotFound, Unavailable
from engage_sync.kube_http import Json
from engage_sync.store import codec
from engage_sync.store.chunks import Chunks, Home
from engage_sync.store.codec import Corrupt, Encoded, Summary
from engage_sync.store.errors import AnotherWriter, StoreUnavailable
from engage_sync.store.index import Identity, Index, describe
from reconcilers.model import Entry, MappingState

_DATA = "index.json"
_READS = 5
"""Readings of a mapping that is committed again and again meanwhile."""

_TRIES = 3
"""Sendings of one index whose answers are lost."""


class ConfigMapStore:
    """A MappingStore in the SyncTarget's namespace. One instance a run: load it, then commit."""

    def __init__(
        self, api: ConfigMaps, namespace: str, name: str, identity: Identity, *, writer: str = ""
    ) -> None:
        """Store for one SyncTarget.

        Args:
            api: the Kubernetes API.
            namespace: of the SyncTarget.
            name: of the SyncTarget.
            identity: whose uid is the SyncTarget's.
            writer: who commits, for those who look; a random part is added.
        """
        self.summary = Summary()
        """The last commit, or what was loaded."""
        self.rebuilt_because = ""
        """Why the last load found nothing to use; empty when it did."""
        self._api = api
        self._home = Home(namespace, name, identity.uid)
        self._identity = identity
        self._writer = f"{writer}/{secrets.token_hex(4)}".lstrip("/")
        self._forget()

    async def load(self) -> MappingState:
        """The mapping of the last commit, or an empty one with `rebuilt`.

        Raises:
            StoreUnavailable: the API did not answer or does not let us; nothing is known.
        """
        self._forget()
        with _in_our_words("read"):
            missing_at = ""
            for _ in range(_READS):
                try:
                    found = await self._api.get_config_map(self._home.namespace, self._home.index)
                except NotFound:
                    return self._rebuilt("there is none")
                self._resource_version = found["metadata"]["resourceVersion"]
                try:
                    return await self._read(Index.from_json(_text(found)))
                except Corrupt as error:
                    return self._rebuilt(str(error))
                except NotFound:
                    # Deleted after a commit that came between our two reads, or deleted by someone.
                    if missing_at == self._resource_version:
                        break
                    missing_at = self._resource_version
        return self._rebuilt("a chunk is missing")

    async def commit(self, mapping: MappingState) -> None:
        """Make the entries durable as they are now; what changes meanwhile is for the next commit.

        Writes nothing when nothing changed, and only those shards that did.

        Raises:
            AnotherWriter: someone has committed since the load; the mapping is theirs now.
            StoreUnavailable: the API did not answer or does not let us. Commit again, or load again.
        """
        entries = tuple(mapping.entries.values())
        mapping.dirty = False
        try:
            await self._commit(entries)
        except BaseException:  # cancelled, too
            mapping.dirty = True
            raise

    def _forget(self) -> None:
        self.summary, self.rebuilt_because = Summary(), ""
        self._chunks = Chunks(self._api, self._home)
        self._looked_around = False
        self._resource_version = ""  # of the index; empty while there is none
        self._committed: Index | None = None
        self._revision = 0
        self._in_doubt: set[str] = set()
        """Indexes that were sent, and whose answer never came."""

    def _rebuilt(self, reason: str) -> MappingState:
        self.rebuilt_because = reason
        return MappingState(rebuilt=True)

    async def _read(self, index: Index) -> MappingState:
        self._revision = index.revision
        if index.identity != self._identity:
            return self._rebuilt("it is of another SyncTarget, baseURL or apiURL")
        entries = codec.join(await self._chunks.read(index.chunks), index.summary.entries)
        self._committed, self.summary = index, index.summary
        return MappingState(entries=entries)

    async def _commit(self, entries: tuple[Entry, ...]) -> None:
        encoded = await asyncio.to_thread(codec.encode, entries, self.summary.shards)
        index = self._next_index(encoded)
        if self._committed and self._committed.chunks == index.chunks:
            return
        with _in_our_words("written"):
            if not self._looked_around:
                await self._chunks.look_around()
                self._looked_around = True
            await self._write(index, encoded)
            self._committed, self.summary = index, index.summary
            self._in_doubt.clear()
            await self._chunks.remove_all_but({chunk.name for chunk in index.chunks})

    def _next_index(self, encoded: Encoded) -> Index:
        names = [self._home.chunk(shard, chunk) for shard, chunk in enumerate(encoded.chunks)]
        self._revision += 1
        return Index(self._identity, encoded.summary, describe(encoded, names), self._writer, self._revision)

    async def _write(self, index: Index, encoded: Encoded) -> None:
        stored = {chunk.name for chunk in self._committed.chunks} if self._committed else set()
        named = list(zip((chunk.name for chunk in index.chunks), encoded.chunks, strict=True))
        used_by = f"{index.writer}/{index.revision}"
        await self._chunks.write([(name, chunk) for name, chunk in named if name not in stored], used_by)
        try:
            await self._put(index)
        except _IndexGone:
            # Its chunks may have gone with it.
            self._committed, self._resource_version = None, ""
            await self._chunks.write(named, used_by)
            await self._put(index)

    async def _put(self, index: Index) -> None:
        """Write the index: the commit."""
        text = index.to_json()
        body = self._home.object(self._home.index, f"{index.writer}/{index.revision}")
        body["data"] = {_DATA: text}
        self._in_doubt.add(text)
        for left in reversed(range(_TRIES)):
            try:
                stored: Json | None = await self._send(body)
            except (Conflict, Unavailable) as error:
                stored = await self._look(error)
                if left == 0 and _text(stored) != text:
                    raise
            if stored is not None:
                self._resource_version = stored["metadata"]["resourceVersion"]
                if _text(stored) == text:
                    return

    async def _send(self, body: Json) -> Json:
        if not self._resource_version:
            return await self._api.create_config_map(body)
        body["metadata"]["resourceVersion"] = self._resource_version
        try:
            return await self._api.replace_config_map(body)
        except NotFound as error:
            raise _IndexGone from error

    async def _look(self, error: Conflict | Unavailable) -> Json | None:
        """The index as it is, after a write that failed; raises what failed when we may not write again.

        We may when it is as we knew it, or one of those that we sent without learning that they arrived.
        """
        try:
            found = await self._api.get_config_map(self._home.namespace, self._home.index)
        except NotFound:
            if self._resource_version:
                raise _IndexGone from error
            return None
        unchanged = found["metadata"]["resourceVersion"] == self._resource_version
        if unchanged or _text(found) in self._in_doubt:
            return found
        raise error if isinstance(error, Conflict) else Conflict(str(error))


class _IndexGone(Exception):
    """It was there when it was read or written last."""


def _text(found: Json | None) -> str:
    """What the index object holds; empty when that is nothing of ours."""
    data = (found or {}).get("data")
    return str(data.get(_DATA, "")) if isinstance(data, dict) else ""


@contextmanager
def _in_our_words(done: str) -> Iterator[None]:
    """Tell the engine what went wrong, as one of its errors."""
    try:
        yield
    except Conflict as error:
        raise AnotherWriter(
            "another engage-sync has written the mapping since this run read it; this run ends here,"
            " and the next one begins from what the other wrote"
        ) from error
    except (KubeError, _IndexGone) as error:
        retry_after = error.retry_after if isinstance(error, KubeError) else None
        what = str(error) or "its index is deleted again and again"
        raise StoreUnavailable(
            f"the mapping (ConfigMaps) could not be {done}: {what}", retry_after=retry_after
        ) from error
