"""The few verbs of the Kubernetes API that we need.

Objects are plain JSON, so that resourceVersion, uid and the fields of later versions come back as they
were read. Errors are those of `kube_http`.
"""

import base64
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal, Protocol
from urllib.parse import quote

from engage_sync.kube_http import Conflict as Conflict
from engage_sync.kube_http import Connection, Json
from engage_sync.kube_http import Forbidden as Forbidden
from engage_sync.kube_http import Invalid as Invalid
from engage_sync.kube_http import KubeError as KubeError
from engage_sync.kube_http import NotFound as NotFound
from engage_sync.kube_http import Unavailable as Unavailable
from engage_sync.resource import GROUP, MANAGER, PLURAL, VERSION
from engage_sync.syncplan import SYNCPLAN_PLURAL

_PAGE = "500"
_METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_OURS = f"apis/{GROUP}/{VERSION}"
_LEASES = "apis/coordination.k8s.io/v1"


class ConfigMaps(Protocol):
    """What the mapping store needs."""

    async def get_config_map(self, namespace: str, name: str) -> Json:
        """Raises NotFound."""
        ...

    async def list_config_maps(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """Metadata only, of those that have all the labels."""
        ...

    async def create_config_map(self, body: Json) -> Json:
        """Raises Conflict when the name is taken."""
        ...

    async def replace_config_map(self, body: Json) -> Json:
        """Raises Conflict unless the body's resourceVersion is the current one; NotFound."""
        ...

    async def delete_config_map(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """Raises Conflict unless it is still exactly this one; NotFound."""
        ...


class SyncPlans(ConfigMaps, Protocol):
    """What plans in the cluster need: SyncPlans and their chunks; errors as for ConfigMaps."""

    async def get_sync_plan(self, namespace: str, name: str) -> Json:
        """Raises NotFound."""
        ...

    async def list_sync_plans(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """Whole objects, of those that have all the labels. Raises NotFound without the definition."""
        ...

    async def create_sync_plan(self, body: Json) -> Json:
        """Raises Conflict when the name is taken."""
        ...

    async def replace_sync_plan_status(self, body: Json) -> Json:
        """Raises Conflict unless the body's uid and resourceVersion are the current ones; NotFound."""
        ...

    async def delete_sync_plan(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """Raises Conflict unless it is still exactly this one; NotFound."""
        ...


class Leases(Protocol):
    """What the elector needs; errors as for ConfigMaps."""

    async def get_lease(self, namespace: str, name: str) -> Json:
        """Raises NotFound."""
        ...

    async def create_lease(self, body: Json) -> Json:
        """Raises Conflict when the name is taken."""
        ...

    async def replace_lease(self, body: Json) -> Json:
        """Raises Conflict unless the body's resourceVersion is the current one; NotFound."""
        ...


class Kube(Connection):
    """Our verbs over one connection."""

    # SyncTargets

    async def get_sync_target(self, namespace: str, name: str) -> Json:
        """One SyncTarget. Raises NotFound."""
        return await self.request("GET", _path(_OURS, namespace, PLURAL, name))

    async def list_sync_targets(self, namespace: str | None = None) -> list[Json]:
        """All SyncTargets of a namespace; None is of all namespaces."""
        return await self._list(_path(_OURS, namespace, PLURAL))

    async def replace_sync_target_status(self, body: Json) -> Json:
        """Write the status of an object as read: its uid and resourceVersion must still be the current ones.

        A PUT, because patches of /status do not look at the uid: they would write into a re-created object.

        Raises:
            Conflict: it has changed, or is another object of the same name.
            NotFound: it is gone.
        """
        return await self._replace_status(PLURAL, body)

    # SyncPlans

    async def get_sync_plan(self, namespace: str, name: str) -> Json:
        """As in `SyncPlans`."""
        return await self.request("GET", _path(_OURS, namespace, SYNCPLAN_PLURAL, name))

    async def list_sync_plans(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """As in `SyncPlans`."""
        return await self._list(_path(_OURS, namespace, SYNCPLAN_PLURAL), _selector(labels))

    async def create_sync_plan(self, body: Json) -> Json:
        """As in `SyncPlans`."""
        return await self._create(_OURS, SYNCPLAN_PLURAL, body)

    async def replace_sync_plan_status(self, body: Json) -> Json:
        """As in `SyncPlans`; a PUT for the reason that `replace_sync_target_status` gives."""
        return await self._replace_status(SYNCPLAN_PLURAL, body)

    async def delete_sync_plan(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """As in `SyncPlans`."""
        await self._delete(_path(_OURS, namespace, SYNCPLAN_PLURAL, name), uid, resource_version)

    # ConfigMaps

    async def get_config_map(self, namespace: str, name: str) -> Json:
        """As in `ConfigMaps`."""
        return await self.request("GET", _path("api/v1", namespace, "configmaps", name))

    async def list_config_maps(self, namespace: str, labels: Mapping[str, str]) -> list[Json]:
        """As in `ConfigMaps`."""
        return await self._list(_path("api/v1", namespace, "configmaps"), _selector(labels), _METADATA_ONLY)

    async def create_config_map(self, body: Json) -> Json:
        """As in `ConfigMaps`."""
        return await self._create("api/v1", "configmaps", body)

    async def replace_config_map(self, body: Json) -> Json:
        """As in `ConfigMaps`."""
        return await self._replace("api/v1", "configmaps", body)

    async def delete_config_map(self, namespace: str, name: str, *, uid: str, resource_version: str) -> None:
        """As in `ConfigMaps`."""
        await self._delete(_path("api/v1", namespace, "configmaps", name), uid, resource_version)

    # Secrets, Leases, Events

    async def get_secret(self, namespace: str, name: str) -> dict[str, str] | None:
        """The decoded values of a Secret; None when there is none.

        Raises:
            Invalid: a value is not text; the message names its key only.
        """
        try:
            secret = await self.request("GET", _path("api/v1", namespace, "secrets", name))
        except NotFound:
            return None
        return {key: _text(name, key, value) for key, value in (secret.get("data") or {}).items()}

    async def get_lease(self, namespace: str, name: str) -> Json:
        """As in `Leases`."""
        return await self.request("GET", _path(_LEASES, namespace, "leases", name))

    async def create_lease(self, body: Json) -> Json:
        """As in `Leases`."""
        return await self._create(_LEASES, "leases", body)

    async def replace_lease(self, body: Json) -> Json:
        """As in `Leases`."""
        return await self._replace(_LEASES, "leases", body)

    async def create_event(
        self, regarding: Json, kind: Literal["Normal", "Warning"], reason: str, message: str, now: float
    ) -> Json:
        """Write an Event about an object; `now` is in seconds since the epoch.

        Each has a name of its own, so that none is ever refused for being the second of its sort.
        """
        metadata = regarding["metadata"]
        time = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        about = {field: metadata[field] for field in ("name", "namespace", "uid", "resourceVersion")}
        body = {
            "apiVersion": "v1",  # core, not events.k8s.io: what kopf writes, and what kubectl shows best
            "kind": "Event",
            "metadata": {
                "namespace": metadata["namespace"],
                "name": f"{metadata['name']}.{secrets.token_hex(8)}",
            },
            "involvedObject": {"apiVersion": regarding["apiVersion"], "kind": regarding["kind"], **about},
            "type": kind,
            "reason": reason,
            "message": message[:1024],
            "firstTimestamp": time,
            "lastTimestamp": time,
            "count": 1,
            "source": {"component": MANAGER},
            "reportingComponent": MANAGER,
        }
        return await self._create("api/v1", "events", body)

    async def _create(self, group: str, plural: str, body: Json) -> Json:
        return await self.request("POST", _path(group, body["metadata"]["namespace"], plural), body=body)

    async def _replace(self, group: str, plural: str, body: Json, subresource: str = "") -> Json:
        metadata = body["metadata"]
        path = _path(group, metadata["namespace"], plural, metadata["name"]) + subresource
        return await self.request("PUT", path, body=body)

    async def _replace_status(self, plural: str, body: Json) -> Json:
        if not (body["metadata"].get("uid") and body["metadata"].get("resourceVersion")):
            raise Invalid("a status is written only with the uid and resourceVersion that were read")
        return await self._replace(_OURS, plural, body, "/status")

    async def _delete(self, path: str, uid: str, resource_version: str) -> None:
        preconditions = {"uid": uid, "resourceVersion": resource_version}
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        await self.request("DELETE", path, body=body)

    async def _list(
        self, path: str, query: Mapping[str, str] | None = None, accept: str = "application/json"
    ) -> list[Json]:
        items: list[Json] = []
        more = ""
        while True:
            page = {**(query or {}), "limit": _PAGE, **({"continue": more} if more else {})}
            answer = await self.request("GET", path, query=page, accept=accept)
            items += answer.get("items") or []  # Go writes an empty list as null
            more = answer["metadata"].get("continue", "")
            if not more:
                return items


def _path(group: str, namespace: str | None, plural: str, name: str | None = None) -> str:
    parts = ["", group]
    parts += ["namespaces", quote(namespace, safe="")] if namespace is not None else []
    parts += [plural] if name is None else [plural, quote(name, safe="")]
    return "/".join(parts)


def _selector(labels: Mapping[str, str]) -> dict[str, str]:
    return {"labelSelector": ",".join(f"{label}={value}" for label, value in labels.items())}


def _text(name: str, key: str, value: str) -> str:
    try:
        return base64.b64decode(value).decode()
    except ValueError:
        raise Invalid(f'Secret {name}: the value of "{key}" is not text') from None
