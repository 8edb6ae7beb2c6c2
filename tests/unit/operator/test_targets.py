"""Who is woken by what, who was there first, and whose status is written."""

import asyncio
import copy
from collections.abc import Callable
from typing import Any

import pytest

from engage_sync.app import RunResult
from engage_sync.kube import Conflict, KubeError, NotFound
from engage_sync.spec import parse_spec
from engage_sync.states import Status
from engage_sync.targets import ATTEMPTS, SyncTargets, Target, Watched
from reconcilers.errors import Halted
from reconcilers.ports import Gate
from tests.synctargets import manifest, spec
from tests.unit.operator.cluster import Cluster, Json

URL = str(spec()["target"]["apiURL"])


def body(cluster: Cluster, name: str = "acme") -> Json:
    return copy.deepcopy(cluster.kube.objects[name])


def woken(watched: Watched, seen: Json) -> bool:
    watched.wake.clear()
    watched.see(seen)
    return watched.wake.is_set()


@pytest.mark.parametrize(
    ("change", "wakes"),
    [
        (lambda seen: None, False),
        (lambda seen: seen["metadata"].update(resourceVersion="99"), False),
        (lambda seen: seen.update(status={"observedGeneration": 1}), False),
        (lambda seen: seen["metadata"].update(managedFields=[{"manager": "x"}]), False),
        (lambda seen: seen["metadata"].update(finalizers=["engage-sync.io/operator"]), False),
        (lambda seen: seen["metadata"].update(generation=2), True),
        (lambda seen: seen["metadata"].update(annotations={"engage-sync.io/requested-at": "1"}), True),
        (lambda seen: seen["metadata"].update(deletionTimestamp="2026-11-22T12:00:00Z"), True),
    ],
)
def test_only_what_others_change_wakes_the_loop(change: Callable[[Json], object], wakes: bool) -> None:
    cluster = Cluster()
    watched = cluster.apply(spec())
    seen = body(cluster)
    change(seen)

    assert woken(watched, seen) is wakes


def test_what_was_seen_is_a_copy_so_that_an_edit_in_place_is_noticed() -> None:
    cluster = Cluster()
    watched = cluster.apply(spec())
    seen = body(cluster)
    watched.see(seen)
    seen["metadata"]["generation"] = 7

    assert woken(watched, seen)


async def test_only_the_object_of_this_uid_that_stays_is_found() -> None:
    cluster = Cluster()
    acme = cluster.apply(spec())
    assert await cluster.targets.get(acme) is not None
    assert await cluster.targets.get(Watched("tenants", "acme", "another-uid")) is None
    assert await cluster.targets.get(Watched("tenants", "globex", acme.uid)) is None

    cluster.kube.objects["acme"]["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    assert await cluster.targets.get(acme) is None


async def older_user(cluster: Cluster, name: str, api_url: str = URL) -> str | None:
    return await cluster.targets.older_user(Target(body(cluster, name)), api_url)


async def test_of_equally_old_targets_the_lowest_uid_was_first_whatever_the_order_of_their_arrival() -> None:
    for names in ("abc", "cba", "bca"):
        cluster = Cluster()
        for name in names:
            cluster.apply(spec(), name)

        assert [await older_user(cluster, name) for name in "abc"] == [None, "tenants/a", "tenants/a"]


async def test_age_goes_before_uid() -> None:
    cluster = Cluster()
    cluster.apply(spec(), "a", created="2026-11-22T11:00:01Z")
    cluster.apply(spec(), "b", created="2026-11-22T11:00:00Z")

    assert [await older_user(cluster, name) for name in "ab"] == ["tenants/b", None]


@pytest.mark.parametrize(
    ("url", "same"),
    [
        (URL + "/", True),
        (URL.upper().replace("HTTPS", "https"), True),
        (URL.replace(".com/", ".com:443/"), True),
        (URL + "2", False),
        (URL.replace("Acme", "Globex"), False),
    ],
)
async def test_two_spellings_are_one_engage(url: str, same: bool) -> None:
    cluster = Cluster()
    cluster.apply(spec(), "a")
    cluster.apply(spec(target__apiURL=url), "b")
    mine = parse_spec(body(cluster, "b")["spec"]).target.api_url

    assert (await older_user(cluster, "b", mine) is not None) is same


async def test_an_older_one_that_is_going_or_gone_holds_nobody_up() -> None:
    cluster = Cluster()
    cluster.apply(spec(), "a")
    cluster.apply(spec(), "b")
    cluster.kube.objects["a"]["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    assert await older_user(cluster, "b") is None

    del cluster.kube.objects["a"]
    assert await older_user(cluster, "b") is None


async def test_who_came_while_we_stood_by_is_known_after_learning() -> None:
    cluster = Cluster()
    cluster.kube.apply({**manifest(spec(), "a")})
    cluster.apply(spec(), "b")
    assert await older_user(cluster, "b") is None

    await cluster.targets.learn([None])

    assert await older_user(cluster, "b") == "tenants/a"


# Writing the status

SEEN: Status = {"observedGeneration": -1, "lastHandledReconcileAt": "1"}


class Kube:
    """Answers status writes with what was prepared."""

    def __init__(self, *answers: Exception | None, now: Json | None = None) -> None:
        self.answers, self.now, self.sent = list(answers), now, list[Json]()

    async def replace_sync_target_status(self, sent: Json) -> Json:
        self.sent.append(sent)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer
        return sent

    async def get_sync_target(self, namespace: str, name: str) -> Json:
        if self.now is None:
            raise NotFound("gone")
        return self.now

    async def update(self, target: Json, change: Callable[[Status], Status] = lambda _: SEEN) -> Any:
        targets = SyncTargets(self)  # type: ignore[arg-type]
        return await targets.update_status(Target(target), change)


def stored(**metadata: Any) -> Json:
    made = manifest()
    made["metadata"] |= {"namespace": "tenants", "uid": "1", "resourceVersion": "1", **metadata}
    return made


async def test_nothing_is_sent_when_nothing_changes() -> None:
    kube = Kube()

    assert await kube.update({**stored(), "status": dict(SEEN)}) is None
    assert kube.sent == []


async def test_a_status_is_sent_with_the_uid_and_version_that_were_read() -> None:
    kube = Kube()
    await kube.update(stored(resourceVersion="7"))

    (sent,) = kube.sent
    assert (sent["metadata"]["uid"], sent["metadata"]["resourceVersion"]) == ("1", "7")
    assert sent["status"] == SEEN


async def test_after_a_conflict_the_change_is_made_to_what_others_wrote() -> None:
    theirs = {**stored(resourceVersion="8"), "status": {"lastHandledReconcileAt": "2"}}
    kube = Kube(Conflict("changed"), now=theirs)
    old, _ = await kube.update(stored(), lambda status: {**status, "observedGeneration": 3})

    assert old == {"lastHandledReconcileAt": "2"}
    assert kube.sent[-1]["metadata"]["resourceVersion"] == "8"
    assert kube.sent[-1]["status"] == {"lastHandledReconcileAt": "2", "observedGeneration": 3}


@pytest.mark.parametrize("now", [None, stored(uid="2"), stored(deletionTimestamp="2026-11-22T12:00:00Z")])
async def test_after_a_conflict_nothing_is_written_to_one_that_is_gone_or_another(now: Json | None) -> None:
    kube = Kube(Conflict("changed"), now=now)

    assert await kube.update(stored()) is None
    assert len(kube.sent) == 1


async def test_a_status_of_one_that_is_gone_is_dropped() -> None:
    assert await Kube(NotFound("gone")).update(stored()) is None


async def test_endless_conflicts_end() -> None:
    kube = Kube(*[Conflict("changed")] * 99, now=stored())

    with pytest.raises(KubeError, match="tenants/acme"):
        await kube.update(stored())
    assert len(kube.sent) == ATTEMPTS


# May a run go on?


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda seen: None, None),
        (lambda seen: seen["metadata"].update(annotations={"engage-sync.io/paused": "true"}), "paused"),
        (lambda seen: seen["metadata"].update(annotations={"engage-sync.io/paused": "false"}), None),
        (lambda seen: seen["metadata"].update(deletionTimestamp="now"), "being deleted"),
        (lambda seen: (seen["metadata"].update(generation=2), seen["spec"].update(suspend=True)), "changed"),
        (lambda seen: (seen["metadata"].update(generation=2), seen["spec"].update(mode="Plan")), "changed"),
        (lambda seen: (seen["metadata"].update(generation=2), seen["spec"].update(schedule={})), None),
    ],
)
def test_a_run_goes_on_only_while_it_is_wanted(change: Callable[[Json], object], why: str | None) -> None:
    cluster = Cluster()
    watched = cluster.apply(spec(mode="Apply"))
    target = Target(body(cluster))
    seen = body(cluster)
    change(seen)
    watched.see(seen)

    if why is None:
        watched.check_still_wanted(target, parse_spec(target.spec))
    else:
        with pytest.raises(Halted, match=why):
            watched.check_still_wanted(target, parse_spec(target.spec))


@pytest.mark.parametrize("how", ["comes late", "moves there", "is elsewhere"])
async def test_a_run_stops_before_its_next_write_once_an_older_target_has_the_same_engage(how: str) -> None:
    cluster = Cluster()
    if how != "comes late":
        cluster.apply(spec(target=_engage("other")), "older", created="2026-11-22T10:00:00Z")
    acme = cluster.apply(spec(mode="Apply"))
    halted: list[str] = []

    async def meets(gate: Gate) -> None:
        gate()
        if how != "is elsewhere":
            cluster.apply(spec(), "older", created="2026-11-22T10:00:00Z")
        try:
            gate()
        except Halted as why:
            halted.append(str(why))
            cluster.runner.results = [RunResult(error=why)]

    cluster.runner.during = meets
    await cluster.look(acme, times=2)

    assert len(halted) == (how != "is elsewhere")
    assert cluster.ready()[1] == ("InSync" if how == "is elsewhere" else "TargetInUse")


async def test_a_run_goes_on_while_an_older_target_of_the_same_engage_is_going() -> None:
    cluster = Cluster()
    cluster.apply(spec(), "older", created="2026-11-22T10:00:00Z")
    cluster.kube.objects["older"]["metadata"]["deletionTimestamp"] = "2026-11-22T12:00:00Z"
    acme = cluster.apply(spec(mode="Apply"))
    written: list[str] = []

    async def meets(gate: Gate) -> None:
        for write in ("before the watch's word of it", "after that"):
            gate()
            written.append(write)
            cluster.targets.saw(body(cluster, "older"))

    cluster.runner.during = meets
    await cluster.look(acme)

    assert len(written) == 2
    assert cluster.ready() == ("True", "InSync")


# Waiting for a slot, and being cut off


@pytest.mark.parametrize("news", ["suspend", "delete", "stop", "refuse"])
async def test_what_happens_while_a_run_waits_for_its_slot_is_heard_at_once(news: str) -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply"))
    stopped = False
    for _ in range(2):
        await cluster.controller.slots.acquire()
    loop = asyncio.create_task(cluster.controller.follow(acme, lambda: stopped))
    await _settle()
    writes = cluster.kube.writes

    if news in ("suspend", "refuse"):
        change = {"suspend": True} if news == "suspend" else {"defaults": {"timeZone": "Mars"}}
        cluster.kube.apply(manifest(spec(mode="Apply", **change)))
        acme.see(body(cluster))
    elif news == "delete":
        del cluster.kube.objects["acme"]
        acme.wake.set()
    else:
        stopped = True
        acme.wake.set()
    await _settle()

    if news in ("delete", "stop"):
        assert loop.done()
        assert cluster.kube.writes == writes
    else:
        assert cluster.ready()[1] == {"suspend": "Suspended", "refuse": "InvalidSpec"}[news]
    loop.cancel()
    await asyncio.wait({loop})
    assert cluster.runner.runs == []
    cluster.controller.slots.release()
    assert not cluster.controller.slots.locked()


async def test_who_waits_for_a_slot_before_the_first_run_says_so_once() -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply"))
    for _ in range(2):
        await cluster.controller.slots.acquire()
    loop = asyncio.create_task(cluster.controller.follow(acme, lambda: False))
    await _settle()

    assert cluster.ready() == ("Unknown", "Progressing")
    assert "--max-concurrent-syncs" in cluster.status()["summary"][0]
    assert cluster.status()["observedGeneration"] == -1
    cluster.annotate(acme, requested_at="now")
    await _settle()
    assert cluster.kube.writes == 1

    cluster.controller.slots.release()
    await _settle()
    assert cluster.ready() == ("True", "InSync")
    for _ in range(2):
        await cluster.controller.slots.acquire()
        cluster.controller.slots.release()
    await cluster.controller.slots.acquire()
    writes = cluster.kube.writes
    cluster.annotate(acme, requested_at="again")
    await _settle()
    assert cluster.kube.writes == writes, "how it is is known, and a run of nothing takes two writes at most"
    loop.cancel()
    await asyncio.wait({loop})


async def test_who_is_resumed_while_no_slot_is_free_is_not_told_to_resume() -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply"))
    cluster.annotate(acme, paused="true")
    await cluster.look(acme)
    for _ in range(2):
        await cluster.controller.slots.acquire()
    loop = asyncio.create_task(cluster.controller.follow(acme, lambda: False))
    cluster.annotate(acme)
    await _settle()

    assert cluster.ready() == ("Unknown", "Progressing")
    assert "waits for its turn" in cluster.status()["summary"][0]
    loop.cancel()
    await asyncio.wait({loop})


async def test_who_is_resumed_after_a_run_is_told_so_while_it_waits_and_while_it_runs() -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply"))
    await cluster.look(acme)
    cluster.annotate(acme, paused="true")
    await cluster.look(acme)
    for _ in range(2):
        await cluster.controller.slots.acquire()
    end = asyncio.Event()

    async def ends(_: Gate) -> None:
        await end.wait()

    cluster.runner.during = ends
    loop = asyncio.create_task(cluster.controller.follow(acme, lambda: False))
    cluster.annotate(acme)
    await _settle()
    waiting = cluster.status()["summary"][0]
    cluster.controller.slots.release()
    await _settle()
    running = cluster.status()["summary"][0]

    assert waiting.startswith("Ready=True Suspended: Resumed: The run waits for its turn")
    assert running.startswith("Ready=True Suspended: Resumed: A run is under way")
    end.set()
    await _settle()
    assert (cluster.ready(), len(cluster.runner.runs)) == (("True", "InSync"), 2)
    loop.cancel()
    await asyncio.wait({loop})


async def test_who_comes_together_with_those_that_take_the_slots_says_that_it_waits_too() -> None:
    cluster = Cluster()

    async def hangs(_: Gate) -> None:
        await asyncio.Event().wait()

    cluster.runner.during = hangs
    watched = [cluster.apply(spec(mode="Apply", target=_engage(name)), name) for name in ("a", "b", "c")]
    loops = [asyncio.create_task(cluster.controller.follow(each, lambda: False)) for each in watched]
    await _settle()

    assert len(cluster.runner.runs) == 2
    told = [cluster.status(name).get("summary", [""])[0] for name in ("a", "b", "c")]
    assert sum("waits for its turn" in line for line in told) == 1
    for loop in loops:
        loop.cancel()
    await asyncio.wait(loops)


async def test_suspend_is_heard_while_an_explanation_waits_for_a_slot() -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply"))
    await cluster.look(acme)
    for _ in range(2):
        await cluster.controller.slots.acquire()
    loop = asyncio.create_task(cluster.controller.follow(acme, lambda: False))
    cluster.annotate(acme, explain="wp:room:13")
    await _settle()
    stored = cluster.kube.objects["acme"]
    cluster.kube.apply({**stored, "spec": spec(mode="Apply", suspend=True)})
    acme.see(body(cluster))
    await _settle()

    assert cluster.ready() == ("True", "Suspended")
    assert cluster.runner.asked == []
    cluster.controller.slots.release()
    await _settle()
    assert cluster.runner.asked == ["wp:room:13"]
    loop.cancel()
    await asyncio.wait({loop})


async def test_a_suspended_target_whose_question_waits_for_a_slot_stays_suspended() -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply", suspend=True))
    await cluster.look(acme)
    for _ in range(2):
        await cluster.controller.slots.acquire()
    loop = asyncio.create_task(cluster.controller.follow(acme, lambda: False))
    cluster.annotate(acme, explain="wp:room:13")
    writes = cluster.kube.writes
    await _settle()

    assert cluster.ready()[1] == "Suspended"
    assert cluster.kube.writes == writes, "no run of it waits"
    loop.cancel()
    await asyncio.wait({loop})


async def test_a_run_that_is_cut_off_leaves_nothing_running() -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply"))

    async def hangs(_: Gate) -> None:
        await asyncio.Event().wait()

    cluster.runner.during = hangs
    loop = asyncio.create_task(cluster.controller.follow(acme, lambda: False))
    await _settle()
    assert len(cluster.runner.runs) == 1
    loop.cancel()
    await asyncio.wait({loop})

    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("ticks", range(16))
async def test_no_slot_is_lost_in_whichever_tick_a_run_that_ends_is_cut_off(ticks: int) -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply"))
    end = asyncio.Event()

    async def ends(_: Gate) -> None:
        await end.wait()

    cluster.runner.during = ends
    loop = asyncio.create_task(cluster.look(acme))
    await _settle()
    end.set()
    await _settle(ticks)
    loop.cancel()
    await asyncio.wait({loop})
    await _settle()

    assert await _free(cluster.controller.slots) == 2


@pytest.mark.parametrize("ticks", range(8))
@pytest.mark.parametrize("news", [True, False])
async def test_no_slot_is_lost_in_whichever_tick_one_who_is_given_it_goes(news: bool, ticks: int) -> None:
    cluster = Cluster()
    acme = cluster.apply(spec(mode="Apply"))
    for _ in range(2):
        await cluster.controller.slots.acquire()
    loop = asyncio.create_task(cluster.look(acme))
    await _settle()
    if news:
        acme.wake.set()
    cluster.controller.slots.release()
    await _settle(ticks)
    loop.cancel()
    cluster.controller.slots.release()
    await asyncio.wait({loop})
    await _settle()

    assert await _free(cluster.controller.slots) == 2


def _engage(name: str) -> Json:
    return {**spec()["target"], "apiURL": f"{URL}-{name}"}


async def _settle(ticks: int = 50) -> None:
    """Let everybody do what they can do, or only so many steps of it."""
    for _ in range(ticks):
        await asyncio.sleep(0)


async def _free(slots: asyncio.Semaphore) -> int:
    """How many slots are free; takes them."""
    free = 0
    while not slots.locked():
        await slots.acquire()
        free += 1
    return free
