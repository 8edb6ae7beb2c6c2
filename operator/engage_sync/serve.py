"""The operator as a process: connect, answer probes, become the leader, follow SyncTargets, end cleanly.

What serves or elects starts before kopf, because at its end kopf cancels every task that is younger than
itself.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

import kopf

from engage_sync import handlers, health
from engage_sync.cluster_run import ClusterRunner
from engage_sync.controller import Controller
from engage_sync.kube import Forbidden, Kube, KubeError, NotFound
from engage_sync.kube_config import SERVICE_ACCOUNT, in_cluster
from engage_sync.lease import Elector, Lost
from engage_sync.targets import SyncTargets
from engage_sync.trust import Trust
from reconcilers.errors import ConfigError

log = logging.getLogger(__name__)

LEASE = "engage-sync"
SHUT_AGAIN = 60.0
"""Seconds between two looks whether a namespace that was left out can be served."""
NAMESPACE_FILE = SERVICE_ACCOUNT / "namespace"


@dataclass(frozen=True, slots=True)
class Options:
    """What `engage-sync run` was told."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to watch; empty for the operator's own."""
    all_namespaces: bool = False
    trust: Trust = field(default_factory=Trust)
    """Where credentials may go."""
    max_concurrent_syncs: int = 8
    """Runs under way at once, over all SyncTargets."""
    health_port: int = 8080


async def serve(options: Options) -> int:
    """Run until SIGTERM or SIGINT; the exit code.

    Raises ConfigError when the cluster cannot be reached or lacks the CRD.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        kube = await stack.enter_async_context(await Kube.connect())
        targets = SyncTargets(kube)
        watched = _watched(options)
        if not await _unless(stop, _learn(targets, watched)):
            return 0
        await stack.enter_async_context(health.serving(options.health_port, lambda: _ready(kube)))
        elector = Elector(kube, namespace=own_namespace(), name=LEASE, identity=_identity())
        log.info("waiting to become the leader as %s", elector.identity)
        if not await _unless(stop, elector.acquire()):
            return 0
        log.info("leading; watching %s", ", ".join(watched) if watched else "all namespaces")
        log.info("credentials go to %s", ", ".join(options.trust.hosts or ("any host",)))
        hold = asyncio.create_task(_hold(elector))
        stack.push_async_callback(_release, elector, hold)
        await _operate(options, kube, targets, elector, watched, stop)
    log.info("stopped")
    return 0


def own_namespace() -> str:
    """The namespace that the operator runs in; `default` outside a cluster."""
    if named := os.environ.get("POD_NAMESPACE"):
        return named
    return (
        NAMESPACE_FILE.read_text().strip() if in_cluster() and "KUBECONFIG" not in os.environ else "default"
    )


async def _operate(
    options: Options,
    kube: Kube,
    targets: SyncTargets,
    elector: Elector,
    watched: tuple[str, ...],
    stop: asyncio.Event,
) -> None:
    registry, settings = kopf.OperatorRegistry(), kopf.OperatorSettings()
    handlers.configure(settings)
    controller = Controller(
        targets=targets,
        runner=ClusterRunner(kube, options.trust),
        now=lambda: datetime.now(UTC),
        may_write=elector.is_leader,
        slots=asyncio.Semaphore(options.max_concurrent_syncs),
        trust=options.trust,
    )
    handlers.register(registry, controller, targets)
    # Who was there first must be known again: SyncTargets may have come and gone while we stood by.
    served = await _learn(targets, watched)
    opening = asyncio.create_task(_until_one_opens(targets, set(watched) - set(served), stop))
    try:
        await kopf.operator(
            registry=registry,
            settings=settings,
            clusterwide=not watched,
            namespaces=served,
            stop_flag=stop,
            standalone=True,
        )
    finally:
        opening.cancel()


def _watched(options: Options) -> tuple[str, ...]:
    """The namespaces to watch; none means all."""
    if options.all_namespaces:
        return ()
    return tuple(dict.fromkeys(options.namespaces)) or (own_namespace(),)


async def _learn(targets: SyncTargets, watched: tuple[str, ...]) -> tuple[str, ...]:
    """Know all SyncTargets; of the namespaces to watch, those that may be looked into.

    One that was deleted, and our rights in it with it, must not stop the others.
    """
    served: list[str] = []
    refusal: KubeError | None = None
    for namespace in watched or (None,):
        try:
            await targets.learn((namespace,))
        except NotFound:
            raise ConfigError(
                "the cluster does not know SyncTargets; install the CRD: engage-sync crd | kubectl apply -f -"
            ) from None
        except Forbidden as error:
            refusal = error
            log.warning("SyncTargets of %s cannot be listed and are left out: %s", namespace or "all", error)
        except KubeError as error:
            raise ConfigError(f"SyncTargets cannot be listed: {error}") from None
        else:
            served += [namespace] if namespace else []
    if refusal is not None and not served:
        raise ConfigError(f"SyncTargets cannot be listed: {refusal}")
    return tuple(served)


async def _until_one_opens(targets: SyncTargets, shut: set[str], stop: asyncio.Event) -> None:
    """End the process, to be started again, once a namespace can be served that was left out."""
    while shut and not stop.is_set():
        await asyncio.sleep(SHUT_AGAIN)
        for namespace in shut:
            with suppress(KubeError):
                await targets.learn((namespace,))
                log.warning("namespace %s can be listed now; ending, to be started again with it", namespace)
                stop.set()


async def _ready(kube: Kube) -> str | None:
    try:
        await kube.request("GET", "/version")
    except KubeError as error:
        return f"not ready: {error}"
    return None


async def _unless(stop: asyncio.Event, work: Coroutine[object, object, object]) -> bool:
    """Do the work unless a stop comes first; whether it was done."""
    doing, stopping = asyncio.ensure_future(work), asyncio.ensure_future(stop.wait())
    await asyncio.wait({doing, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if doing.done():
        doing.result()
        return True
    doing.cancel()
    await asyncio.gather(doing, return_exceptions=True)
    return False


async def _hold(elector: Elector) -> None:
    try:
        await elector.hold()
    except Lost:
        log.critical("lost the Lease; ending at once, so that two operators never write")
        # The simplest fence: nothing of this process can write any more. A restart takes seconds.
        os._exit(1)


async def _release(elector: Elector, hold: "asyncio.Task[None]") -> None:
    hold.cancel()
    await asyncio.gather(hold, return_exceptions=True)
    await elector.release()


def _identity() -> str:
    return f"{os.environ.get('POD_NAME') or socket.gethostname()}_{os.urandom(4).hex()}"
