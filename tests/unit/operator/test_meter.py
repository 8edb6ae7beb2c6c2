"""How far a run has come, in numbers and in a sentence."""

from dataclasses import dataclass, field

import pytest

from engage_sync.clients.limits import WeekQuota
from engage_sync.meter import Calls, Meter, Standing
from engage_sync.states import ProgressStatus
from reconcilers.events import Planned, Progress, Reading
from reconcilers.levels import LEVELS
from reconcilers.model import Entity, Key, Kind
from reconcilers.plan import Held, Plan
from reconcilers.steps import Action, Create
from tests.engine.rig import Rig
from tests.engine.samples import edit, synced, two_buildings

START = 1_795_348_800.0  # 2026-11-22T12:00:00Z
FREE = Calls(0, 0, WeekQuota())


def creates(kind: Kind, number: int) -> tuple[Create, ...]:
    values = (None,) * len(LEVELS[kind].fields)
    return tuple(Create(Entity(kind, Key(f"wp:{kind}:{i}"), values)) for i in range(number))


@dataclass
class Run:
    """A run of some floors and rooms, and its time."""

    plan: Plan
    now: float = START
    meter: Meter = field(init=False)

    def __post_init__(self) -> None:
        self.meter = Meter(lambda: self.now)
        self.meter.on(Planned(self.plan))

    def goes_on(self, steps: int, seconds: float, kind: Kind = Kind.RESOURCE) -> "Run":
        self.now += seconds
        for done in range(steps):
            self.meter.on(Progress(kind, Action.CREATE, done + 1, len(self.plan.ready)))
        return self

    def standing(self, calls: Calls = FREE) -> Standing:
        return self.meter.standing(calls)


def run(rooms: int = 20_000, floors: int = 1_146) -> Run:
    return Run(Plan(creates(Kind.FLOOR, floors) + creates(Kind.RESOURCE, rooms)))


def test_it_counts_by_kind_and_says_how_long_it_takes() -> None:
    standing = run().goes_on(1_146, 30, Kind.FLOOR).goes_on(54, 30).standing()

    assert standing.progress == {
        "done": 1_200,
        "total": 21_146,
        "ratePerMinute": 1_200,
        "estimatedFinish": "2026-11-22T12:17:37Z",
        "kinds": [
            {"kind": "Floor", "done": 1_146, "total": 1_146},
            {"kind": "Resource", "done": 54, "total": 20_000},
        ],
    }
    assert standing.message == "1,200 of 21,146 steps done (5.6 %), about 17 minutes left"
    assert standing.quota is None


def test_before_the_first_step_there_is_no_estimate() -> None:
    standing = run().goes_on(0, 60).standing()

    assert "ratePerMinute" not in standing.progress
    assert "estimatedFinish" not in standing.progress
    assert standing.message == "0 of 21,146 steps done (0.0 %)"


def test_the_burst_before_the_first_minute_is_full_promises_nothing() -> None:
    standing = run().goes_on(500, 6).standing(Calls(500, 0, WeekQuota()))

    assert standing.progress["ratePerMinute"] == 500
    assert standing.message.endswith(", about 41 minutes left")


def test_what_the_week_cannot_carry_waits_for_the_next_and_it_says_so() -> None:
    week = WeekQuota(START - 2 * 24 * 3600, 45_000)
    standing = run().goes_on(1_146, 60).standing(Calls(0, 50_000, week))

    assert standing.progress["quotaLeft"] == 5_000
    assert standing.quota == {"weekStart": "2026-11-20T12:00:00Z", "used": 45_000}
    assert standing.message == (
        "1,146 of 21,146 steps done (5.4 %); the week's calls to Engage are enough for about 5,000 of the "
        "20,000 left, the rest waits until 2026-11-27T12:00:00Z"
    )
    assert standing.progress["estimatedFinish"] == "2026-11-27T12:13:05Z"


def test_it_may_take_several_weeks_but_nobody_is_told_of_centuries() -> None:
    weeks = run().goes_on(1_146, 60).standing(Calls(0, 6_000, WeekQuota(START, 6_000)))
    for_ever = run().goes_on(1, 60).standing(Calls(0, 1, WeekQuota(START, 1)))

    assert weeks.progress["estimatedFinish"][:10] == "2026-12-20"  # the week, three more, a bit
    assert "estimatedFinish" not in for_ever.progress


@pytest.mark.parametrize(
    ("seconds", "says"),
    [
        (2, "less than a minute left"),
        (60, "about 1 minute left"),
        (5_000, "about 83 minutes left"),
        (6_000, "about 2 hours left"),
        (200_000, "about 2 days left"),
    ],
)
def test_time_is_told_as_people_tell_it(seconds: float, says: str) -> None:
    standing = run(rooms=2, floors=0).goes_on(1, seconds).standing()

    assert standing.message == f"1 of 2 steps done (50.0 %), {says}"


def test_a_hundred_per_cent_are_all() -> None:
    assert "(99.9 %)" in run(rooms=9_999, floors=0).goes_on(9_998, 60).standing().message
    assert "(100.0 %), less than a minute" in run(rooms=9, floors=0).goes_on(9, 60).standing().message


def test_a_clock_that_was_set_back_gives_no_rate() -> None:
    assert "ratePerMinute" not in run().goes_on(5, -60).standing().progress


def test_other_steps_that_wait_for_a_person_are_no_part_of_it() -> None:
    steps = creates(Kind.RESOURCE, 3)
    some = Run(Plan(steps, held=(Held(steps[0], "Deletion"),)))

    assert some.standing().progress["total"] == 2
    assert (some.standing().waits, run().standing().waits) == (True, False)


def test_reading_is_no_progress() -> None:
    some = run()
    some.meter.on(Reading("target", "rooms", 50))

    assert some.standing().progress["done"] == 0


def test_a_step_of_several_calls_counts_once() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, name="Gemini")
    edit(rig.source.spaces, 101, name="Apollo")
    rig.heard.clear()
    rig.sync()

    progress = told_of(rig)
    assert (progress["done"], progress["total"]) == (2, 2)
    assert len([event for event in rig.heard if isinstance(event, Progress)]) > 2


def test_what_is_refused_and_what_waits_for_it_has_ended_too() -> None:
    rig = Rig(two_buildings())
    rig.target.refused = {LEVELS[Kind.LOCATION].key(10)}
    report = rig.sync()

    progress = told_of(rig)
    assert report.writes < progress["done"] == progress["total"] == len(report.plan.ready)


def told_of(rig: Rig) -> ProgressStatus:
    meter = Meter(rig.clock.now)
    for event in rig.heard:
        meter.on(event)
    return meter.standing(FREE).progress
