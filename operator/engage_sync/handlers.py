"""kopf: what event leads to which call; nothing else.

One daemon per SyncTarget follows it, one event handler passes on what the watch says. No create, update
or timer handlers: those would keep state of their own in annotations, and a timer forgets its phase at
every restart.
"""

import asyncio
from contextlib import suppress
from typing import Any

import kopf

from engage_sync.controller import GRACE, Controller
from engage_sync.kube_config import load_configuration
from engage_sync.resource import GROUP, PLURAL, VERSION
from engage_sync.syncplan import SYNCPLAN_PLURAL
from engage_sync.targets import SyncTargets, Watched

Stopped = Any  # kopf.DaemonStopped is not public


class Watchlist:
    """Who is watched, by uid; a newer object of the same name ends its predecessor's loop."""

    def __init__(self) -> None:
        self._by_uid: dict[str, Watched] = {}

    def of(self, namespace: str, name: str, uid: str) -> Watched:
        """The entry of this object, made on first sight; a late word of a predecessor changes nothing."""
        if uid not in self._by_uid:
            for other in self._by_uid.values():
                if (other.namespace, other.name) == (namespace, name):
                    _end(other)
            self._by_uid[uid] = Watched(namespace, name, uid)
        return self._by_uid[uid]

    def wake(self, uid: str) -> None:
        """Something that the object's loop looks at has changed."""
        if (watched := self._by_uid.get(uid)) is not None:
            watched.wake.set()

    def drop(self, uid: str) -> None:
        """The object is gone."""
        if (watched := self._by_uid.pop(uid, None)) is not None:
            _end(watched)


def register(registry: kopf.OperatorRegistry, controller: Controller, targets: SyncTargets) -> None:
    """Tell kopf what to call."""
    watchlist = Watchlist()

    async def follow(*, namespace: str | None, name: str, uid: str, stopped: Stopped, **_: Any) -> None:
        watched = watchlist.of(str(namespace), name, uid)
        signal = asyncio.create_task(_pass_on(stopped, watched))
        try:
            await controller.follow(watched, lambda: bool(stopped) or watched.gone)
        finally:
            signal.cancel()
            with suppress(asyncio.CancelledError):
                await signal

    async def see(
        *, type: str | None, namespace: str | None, name: str, uid: str, body: kopf.Body, **_: Any
    ) -> None:
        if type == "DELETED":
            targets.lost(uid)
            watchlist.drop(uid)
        else:
            targets.saw(dict(body))
            watchlist.of(str(namespace), name, uid).see(dict(body))

    async def see_plan(*, spec: kopf.Spec, **_: Any) -> None:
        if spec.get("approval"):
            watchlist.wake(str(spec.get("synctargetUID")))

    kopf.on.login(registry=registry)(_login)
    # A second more than the grace, so that a run ends by itself before it is cut off.
    kopf.daemon(
        GROUP, VERSION, PLURAL, registry=registry, cancellation_backoff=GRACE + 1, cancellation_timeout=2.0
    )(follow)
    kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)(see)
    kopf.on.event(GROUP, VERSION, SYNCPLAN_PLURAL, registry=registry)(see_plan)


def configure(settings: kopf.OperatorSettings) -> None:
    """Kopf's settings, each for a reason found by trying (docs/design.md)."""
    settings.persistence.finalizer = f"{GROUP}/operator"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=f"kopf.{GROUP}", v1=False)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(
        prefix=f"kopf.{GROUP}", key="last", v1=False
    )
    settings.posting.enabled = False  # Events are ours: one per transition
    settings.scanning.disabled = True  # no right to list namespaces or CRDs is needed
    settings.peering.standalone = True  # one Lease, with fencing, instead of peering
    settings.networking.connect_timeout = 10
    settings.networking.request_timeout = 30
    settings.watching.connect_timeout = 10
    settings.watching.server_timeout = 600  # a watch that a load balancer forgot is renewed
    settings.watching.reconnect_backoff = 1
    settings.background.cancellation_polling = 2
    settings.process.ultimate_exiting_timeout = 60


async def _login(**_: Any) -> kopf.ConnectionInfo:
    """Kopf's own login would take the pod's service account even where KUBECONFIG names another cluster."""
    configuration = await load_configuration()
    token = await configuration.get_api_key_with_prefix("BearerToken")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        token=token.removeprefix("Bearer ") if token else None,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
    )


async def _pass_on(stopped: Stopped, watched: Watched) -> None:
    await stopped.wait()
    watched.stopping.set()
    watched.wake.set()


def _end(watched: Watched) -> None:
    watched.gone = True
    watched.stopping.set()
    watched.wake.set()
