"""The plan that waits in the state folder, and what a digest approves of it."""

import asyncio
import gzip
import json
import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from engage_sync.app import RunPlans
from engage_sync.plan_document import document_of
from engage_sync.plans.file import FilePlans, waiting_plan
from engage_sync.store.errors import StoreUnavailable
from engage_sync.store.index import Identity
from reconcilers.errors import ConfigError, QuotaExhausted, RefusedError, SyncError, TransientError
from reconcilers.guard import Guards, Required
from reconcilers.model import Key
from reconcilers.plan import Plan
from reconcilers.report import Report
from reconcilers.steps import key_of
from reconcilers.sync import sync_once
from tests.engine.memory_target import Killed
from tests.engine.rig import WIDE, FaultAt, Rig
from tests.engine.samples import edit, put, remove_building, space, synced, two_buildings

ACME = Identity("tenants/acme", "https://acme.example", "https://engage.example")
NOBODY = "sha256:" + "0" * 64


ALWAYS = replace(WIDE, required=Required.ALWAYS)
ANNEX = ("wp:building:20", "wp:floor:3", "wp:room:200")


@dataclass
class Desk:
    """A person at a command line: one pair of systems, one folder."""

    rig: Rig
    folder: Path

    def __post_init__(self) -> None:
        self.rig.bookings.unknown = False

    def book(self, *bookings: str) -> None:
        """Who has booked room 200."""
        self.rig.bookings.of = {self.rig.target.find("wp:room:200")["id"]: frozenset(bookings)}

    async def run(self, approve: str | None = None, *, apply: bool = True) -> Report:
        """A run as `one_run` does it; what it raises besides SyncError is a crash, after which nothing is."""
        plans: RunPlans = FilePlans(self.folder, ACME, approve, apply=apply)
        ports = replace(self.rig.ports(), plans=plans)
        try:
            writer = self.rig.target if apply else None
            report = await sync_once(ports, self.rig.settings, writer, self.rig.gate)
        except SyncError as error:
            await plans.close(None, error)
            raise
        await plans.close(report, report.ended_by)
        return report

    async def plan(self) -> Plan:
        return (await self.run(apply=False)).plan

    @property
    def waits(self) -> bool:
        return (self.folder / "plan").exists()

    def has(self, *keys: str) -> list[bool]:
        found = {row["ExternalId"] for _, row in self.rig.target.rows()}
        return [key in found for key in keys]


def desk_of(folder: Path, guards: Guards) -> Desk:
    return Desk(synced().guarded(guards), folder)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """Two buildings in step, then one of them is gone: 5 steps that wait."""
    made = desk_of(tmp_path, WIDE)
    remove_building(made.rig.source, 20)
    return made


@pytest.fixture
def careful(tmp_path: Path) -> Desk:
    """Two buildings in step, and every step waits."""
    return desk_of(tmp_path, ALWAYS)


# What an approval does


@pytest.mark.parametrize("of", ["held_digest", "digest"])
async def test_what_was_shown_and_approved_is_carried_out(desk: Desk, of: str) -> None:
    edit(desk.rig.source.buildings, 10, name="Tower II")
    shown = await desk.plan()
    assert shown.digest != shown.held_digest
    report = await desk.run(getattr(shown, of))

    assert (report.whole, report.writes, report.plan.held) == (True, 6, ())
    assert report.plan.approved == getattr(shown, of)
    assert desk.has(*ANNEX) == [False, False, False]
    assert (await desk.plan()).steps == ()


async def test_without_an_approval_all_but_what_is_held_goes_ahead_and_the_rest_waits(desk: Desk) -> None:
    edit(desk.rig.source.buildings, 10, name="Tower II")
    report = await desk.run()

    assert (len(report.plan.held), report.writes) == (5, 1)
    assert desk.has(*ANNEX) == [True, True, True]
    assert (await desk.run(report.plan.held_digest)).writes == 5


def test_a_plan_in_which_nothing_is_held_leaves_no_file(tmp_path: Path) -> None:
    desk = desk_of(tmp_path, WIDE)
    edit(desk.rig.source.buildings, 10, name="Tower II")

    assert asyncio.run(desk.plan()).steps
    assert list(tmp_path.iterdir()) == []


async def test_an_approval_is_spent_by_one_run(desk: Desk) -> None:
    shown = (await desk.plan()).held_digest
    await desk.run(shown)

    assert not desk.waits
    with pytest.raises(ConfigError, match="run engage-sync plan first"):
        await desk.run(shown)


async def test_the_same_steps_again_need_to_be_shown_and_approved_again(careful: Desk) -> None:
    edit(careful.rig.source.buildings, 10, name="Tower II")
    shown = (await careful.plan()).held_digest
    await careful.run(shown)
    edit(careful.rig.source.buildings, 10, name="Tower")
    await careful.run((await careful.plan()).held_digest)
    edit(careful.rig.source.buildings, 10, name="Tower II")

    with pytest.raises(ConfigError, match=f"no plan with digest {shown} waits"):
        await careful.run(shown)
    assert (await careful.plan()).held_digest == shown
    assert (await careful.run(shown)).writes == 1


async def test_what_is_shown_takes_the_place_of_what_was_shown_before(careful: Desk) -> None:
    edit(careful.rig.source.buildings, 10, name="Tower II")
    first = (await careful.plan()).held_digest
    edit(careful.rig.source.buildings, 10, name="Tower III")
    second = (await careful.run()).plan.held_digest

    with pytest.raises(ConfigError, match=f"the one that waits now is {second}, engage-sync plan shows it"):
        await careful.run(first)
    edit(careful.rig.source.buildings, 10, name="Tower")
    assert (await careful.plan()).steps == ()
    with pytest.raises(ConfigError, match=f"no plan with digest {second} waits; run engage-sync plan first"):
        await careful.run(second)


async def test_a_part_of_what_was_approved_may_run_alone(desk: Desk) -> None:
    shown = (await desk.plan()).held_digest
    rooms = desk.rig.target.tables["rooms"]
    (room,) = (row["id"] for row in rooms.values() if row["ExternalId"] == "wp:room:200")
    del rooms[room]  # somebody did it by hand
    report = await desk.run(shown)

    assert (report.whole, report.writes) == (True, 4)
    assert desk.has(*ANNEX) == [False, False, False]


async def test_of_a_run_that_only_plans_nothing_is_approved(desk: Desk) -> None:
    shown = await desk.plan()
    report = await desk.run(shown.held_digest, apply=False)

    assert (report.plan.approved, report.plan.held_digest) == ("", shown.held_digest)
    assert desk.waits


# When it is not enough


async def test_more_bookings_than_were_seen_stop_it_and_the_new_plan_waits(desk: Desk) -> None:
    desk.book("a")
    shown = (await desk.plan()).held_digest
    desk.book("b")
    report = await desk.run(shown)

    assert {key_of(step) for step in report.plan.beyond} == {"wp:building:20", "wp:floor:3", "wp:room:200"}
    assert (report.plan.approved, report.writes) == ("", 0)
    assert desk.has(*ANNEX) == [True, True, True]
    assert report.plan.held_digest == shown  # the same steps: only what goes with them is new
    assert (await desk.run(shown)).whole


async def test_more_deletions_than_were_approved_stop_it_and_only_the_new_digest_counts(
    careful: Desk,
) -> None:
    edit(careful.rig.source.buildings, 10, name="Tower II")
    shown = (await careful.plan()).held_digest
    del careful.rig.source.spaces[102]
    report = await careful.run(shown)

    assert [key_of(step) for step in report.plan.beyond] == ["wp:room:102"]
    assert report.writes == 0
    with pytest.raises(ConfigError, match=f"the one that waits now is {report.plan.held_digest}"):
        await careful.run(shown)
    assert (await careful.run(report.plan.held_digest)).writes == 2


async def test_what_is_held_beside_an_approved_step_waits_as_a_plan_of_its_own(careful: Desk) -> None:
    edit(careful.rig.source.buildings, 10, name="Tower II")
    shown = (await careful.plan()).held_digest
    put(careful.rig.source, space(103, "Skylab", 1))
    report = await careful.run(shown)

    assert (report.writes, len(report.plan.held), report.plan.beyond) == (1, 1, ())
    with pytest.raises(ConfigError, match="the one that waits now"):
        await careful.run(shown)
    assert (await careful.run(report.plan.held_digest)).writes == 1


# When it does not come to its end


async def test_a_run_that_ended_early_goes_on_with_the_same_approval(desk: Desk) -> None:
    shown = (await desk.plan()).held_digest
    desk.rig.target.fault = FaultAt(3, QuotaExhausted("used up"), start=desk.rig.target.sent)
    report = await desk.run(shown)
    assert isinstance(report.ended_by, QuotaExhausted)
    desk.rig.revive()

    assert 0 < report.writes < 5
    assert (await desk.run(shown)).writes == 5 - report.writes
    assert not desk.waits


def test_a_run_that_was_killed_goes_on_with_the_same_approval(desk: Desk) -> None:
    shown = asyncio.run(desk.plan()).held_digest
    before = desk.rig.target.sent

    def fault(sent: int, when: str) -> None:
        if (sent - before, when) == (3, "after"):
            raise Killed

    desk.rig.target.fault = fault
    with pytest.raises(Killed):
        asyncio.run(desk.run(shown))
    desk.rig.revive()

    assert asyncio.run(desk.run(shown)).whole
    assert desk.has(*ANNEX) == [False, False, False]


async def test_a_run_that_could_not_even_read_goes_on_with_the_same_approval(desk: Desk) -> None:
    shown = (await desk.plan()).held_digest
    desk.rig.bookings.error = TransientError("gone for lunch")
    with pytest.raises(TransientError):
        await desk.run(shown)
    desk.rig.bookings.error = None

    assert (await desk.run(shown)).whole


@pytest.mark.parametrize("apply", [True, False])
async def test_an_incomplete_source_takes_nothing_from_what_waits(desk: Desk, apply: bool) -> None:
    shown = (await desk.plan()).held_digest
    desk.rig.source.hidden = {("spaces", 100)}
    report = await desk.run(shown if apply else None, apply=apply)
    desk.rig.source.hidden = set()

    assert (bool(report.gaps), report.plan.held, report.writes) == (True, (), 0)
    assert (await desk.run(shown)).writes == 5


async def test_what_is_not_to_be_done_any_more_does_not_wait(desk: Desk) -> None:
    shown = (await desk.plan()).held_digest
    desk.rig.source = two_buildings()
    report = await desk.run(shown)

    assert (report.whole, report.plan.steps, desk.waits) == (True, (), False)


async def test_what_the_target_refused_needs_a_new_approval(desk: Desk) -> None:
    shown = (await desk.plan()).held_digest
    desk.rig.target.fault = FaultAt(1, RefusedError("not this one"), start=desk.rig.target.sent)
    report = await desk.run(shown)
    desk.rig.revive()

    assert report.failed
    with pytest.raises(ConfigError, match="run engage-sync plan first"):
        await desk.run(shown)
    again = (await desk.plan()).held_digest
    assert (await desk.run(again)).whole


# The file


async def test_it_is_for_the_user_alone_and_nothing_is_left_over(desk: Desk) -> None:
    await desk.plan()
    await desk.plan()

    (file,) = desk.folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert set(json.loads(gzip.decompress(file.read_bytes()))) == {
        "uid", "baseURL", "apiURL", "digest", "heldDigest", "riskDigest", "steps", "notes"
    }  # fmt: skip


async def test_what_is_read_is_what_was_kept(desk: Desk) -> None:
    desk.book("a", "b")
    edit(desk.rig.source.buildings, 10, name="half a \ud83d")
    shown = await desk.plan()
    kept = waiting_plan(desk.folder, shown.held_digest, ACME)

    assert kept == document_of(shown)
    assert kept.approval("x").impacts[Key("wp:building:20")] == shown.impacts[Key("wp:building:20")]
    assert kept.approval("x").impacts[Key("wp:building:20")].bookings == {"a", "b"}


async def test_the_plan_of_another_target_or_system_approves_nothing(desk: Desk) -> None:
    shown = (await desk.plan()).held_digest
    for field_, value in (("uid", "tenants/globex"), ("base_url", "https://b"), ("api_url", "https://b")):
        other = FilePlans(desk.folder, replace(ACME, **{field_: value}), shown, apply=True)
        with pytest.raises(ConfigError, match="no plan with digest"):
            await other.approved()


@pytest.mark.parametrize(
    "digest",
    ["", "latest", "0" * 64, "sha256:", "sha256:" + "0" * 63, "sha256:" + "0" * 65, "sha256:" + "G" * 64,
     "sha256:" + "0" * 64 + "\n", "SHA256:" + "0" * 64],
)  # fmt: skip
async def test_what_is_no_digest_is_told_so(desk: Desk, digest: str) -> None:
    await desk.plan()

    with pytest.raises(ConfigError, match="is no digest; give sha256: and 64 hexadecimal digits"):
        await desk.run(digest)


def cut_short(content: bytes) -> bytes:
    return content[: len(content) // 2]


def edited(**changes: Any) -> Callable[[bytes], bytes]:
    def edit(content: bytes) -> bytes:
        return gzip.compress(json.dumps({**json.loads(gzip.decompress(content)), **changes}).encode())

    return edit


def with_a_further_step(content: bytes) -> bytes:
    found = json.loads(gzip.decompress(content))
    return edited(steps=found["steps"] + found["steps"].splitlines()[0] + "\n")(content)


@pytest.mark.parametrize(
    "damage",
    [
        cut_short,
        with_a_further_step,
        lambda _: b"",
        lambda _: b"not gzip",
        lambda _: gzip.compress(b"not JSON"),
        lambda _: gzip.compress(b"[" * 100_000),
        lambda _: gzip.compress(b"[]"),
        lambda _: gzip.compress(b"{}"),
        edited(steps=5),
        edited(notes=""),
        edited(digest=NOBODY),
        edited(riskDigest=NOBODY),
    ],
)  # fmt: skip
async def test_a_damaged_file_approves_nothing_and_the_next_plan_replaces_it(
    desk: Desk, damage: Callable[[bytes], bytes]
) -> None:
    shown = (await desk.plan()).held_digest
    file = desk.folder / "plan"
    file.write_bytes(damage(file.read_bytes()))

    with pytest.raises(ConfigError, match=f"state file {file} is damaged; run engage-sync plan"):
        await desk.run(shown)
    assert desk.has(*ANNEX) == [True, True, True]
    await desk.plan()
    assert (await desk.run(shown)).whole


async def test_a_file_that_cannot_be_read_is_told(desk: Desk) -> None:
    (desk.folder / "plan").mkdir()

    with pytest.raises(ConfigError, match="plan cannot be read: Is a directory"):
        await desk.run(NOBODY)


async def test_a_file_that_cannot_be_written_stops_the_run_before_anything_is(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = (await desk.plan()).held_digest
    before = (desk.folder / "plan").read_bytes()
    edit(desk.rig.source.buildings, 10, name="Tower II")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    sent = desk.rig.target.sent
    with pytest.raises(StoreUnavailable, match="plan cannot be written: No space left on device"):
        await desk.run()
    monkeypatch.undo()

    assert desk.rig.target.sent == sent
    assert (desk.folder / "plan").read_bytes() == before
    assert (await desk.run(shown)).whole


async def test_no_link_leads_the_file_elsewhere(desk: Desk, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "file"
    elsewhere.write_text("theirs")
    (desk.folder / ".plan.engage-sync").symlink_to(elsewhere)

    with pytest.raises(StoreUnavailable):
        await desk.plan()
    assert elsewhere.read_text() == "theirs"
