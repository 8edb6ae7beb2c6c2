import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx

from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.limits import RateLimit, WeekQuota
from engage_sync.clients.secrets import EngageCredentials, Secret, WorkplaceCredentials
from engage_sync.clients.timing import Timing
from engage_sync.clients.workplace import WorkplaceSource
from reconcilers.events import Event

CANARY = "Cänary-S3cret/x"
START = 1_700_000_000.0
Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class FakeTime:
    """Time that passes only when somebody sleeps."""

    now: float = 0.0
    slept: list[float] = field(default_factory=list)

    @property
    def timing(self) -> Timing:
        return Timing(lambda: START + self.now, lambda: self.now, self.sleep, lambda: 0.5)

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class Script:
    """A server: answers by (method, path) from a list, the last one again and again; records requests."""

    answers: dict[tuple[str, str], list[Any]] = field(default_factory=dict)
    requests: list[httpx.Request] = field(default_factory=list)

    def on(self, method: str, path: str, *answers: Any) -> "Script":
        self.answers[method, path] = list(answers)
        return self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answers = self.answers.get((request.method, request.url.path))
        assert answers, f"unexpected {request.method} {request.url}"
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, Exception):
            raise answer
        if callable(answer):
            answer = answer(request)
        return (
            answer if isinstance(answer, httpx.Response) else httpx.Response(200, content=json.dumps(answer))
        )

    def sent(self, method: str, path: str) -> list[httpx.Request]:
        return [r for r in self.requests if (r.method, r.url.path) == (method, path)]


V2 = "/external/api/rest/v2"
API = "/Acme/api/V1"
TOKEN = "/tokenproviderapi/token"


def workplace(handler: Handler, time: FakeTime | None = None, **options: Any) -> WorkplaceSource:
    return WorkplaceSource(
        "https://acme.example",
        WorkplaceCredentials(Secret("jürgen"), Secret(CANARY)),
        httpx.MockTransport(handler),
        user_agent="engage-sync/0 (acme)",
        timing=(time or FakeTime()).timing,
        **options,
    )


def pages(items: list[Any]) -> Handler:
    def answer(request: httpx.Request) -> httpx.Response:
        start, limit = int(request.url.params["startAt"]), int(request.url.params["limit"])
        return httpx.Response(200, json=items[start : start + limit])

    return answer


@dataclass
class Tenant:
    """A Workplace with these lists."""

    buildings: list[Any] = field(default_factory=list)
    floors: list[Any] = field(default_factory=list)
    rooms: list[Any] = field(default_factory=list)
    types: list[Any] = field(default_factory=list)
    centers: list[Any] = field(default_factory=list)
    script: Script = field(default_factory=Script)

    def __post_init__(self) -> None:
        for path, items in (
            ("/buildings", self.buildings),
            ("/floors", self.floors),
            ("/rooms", self.rooms),
            ("/rooms/types", self.types),
        ):
            self.script.on("GET", f"{V2}{path}", pages(items))
            self.script.on("GET", f"{V2}{path}/count", {"count": len(items)})
        self.script.on("GET", f"{V2}/centers", [{"id": c["id"], "name": "c"} for c in self.centers])
        for center in self.centers:
            self.script.on("GET", f"{V2}/centers/{center['id']}", center)


def engage(
    script: Script, time: FakeTime | None = None, rate: RateLimit | None = None, **options: Any
) -> EngageSession:
    if ("POST", TOKEN) not in script.answers:
        script.on("POST", TOKEN, {"access_token": "tok-1", "token_type": "bearer", "expires_in": 43199})
    return EngageSession(
        "https://acme.example",
        "https://api.example/Acme",
        EngageCredentials(Secret("client"), Secret(CANARY), {"HierarchyMapping": Secret("key-hierarchy")}),
        httpx.MockTransport(script),
        user_agent="engage-sync/0 (acme)",
        rate_limit=rate or RateLimit(0, 0),
        week=options.pop("week", WeekQuota()),
        timing=(time or FakeTime()).timing,
        **options,
    )


def envelope(*items: Any) -> dict[str, Any]:
    return {"IsError": False, "Data": list(items), "Status": False, "Message": ""}


def stored(**item: Any) -> httpx.Response:
    return httpx.Response(201, json={"IsError": False, "Data": item, "Status": False, "Message": ""})


def refused(status: int, message: str = "no") -> httpx.Response:
    return httpx.Response(status, json={"IsError": True, "Data": None, "Status": False, "Message": message})


def body_of(request: httpx.Request) -> Any:
    return json.loads(request.content)


class Ears:
    """Hears events."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.heard.append(event)
