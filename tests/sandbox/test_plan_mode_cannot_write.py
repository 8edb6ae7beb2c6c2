"""Plan mode cannot write: every path of the table through the guard, and the guard broken on purpose."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

import httpx
import pytest

from engage_sync.clients.engage import EngageWriter
from engage_sync.clients.engage_paths import LINKS, ROUTES, TOKEN
from engage_sync.clients.engage_session import EngageSession
from engage_sync.clients.engage_wire import PARENT_POSITION, Asked
from engage_sync.clients.transport import ReadOnlyTransport
from engage_sync.clients.workplace import WorkplaceSource
from engage_sync.sandbox import Sandbox
from reconcilers.errors import Halted, SyncError
from reconcilers.levels import LEVELS
from reconcilers.model import Key, Kind, Value
from tests.sandbox.bench import Bench, make
from tests.sandbox.sandbox_helpers import make_sandbox
from tests.sandbox.stages import run_in_cluster, stage

SEEN = {"GET", "HEAD"}


class Watching(httpx.AsyncBaseTransport):
    """Remembers what comes through to the wire, and answers as the sandbox."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._inner = sandbox.transport()
        self.sent: list[tuple[str, str]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append((request.method, request.url.path))
        return await self._inner.handle_async_request(request)

    def writes(self) -> list[tuple[str, str]]:
        return [each for each in self.sent if each[0] not in SEEN and not each[1].endswith(TOKEN)]


def fields_of(kind: Kind, variant: str) -> dict[str, Value]:
    """Some value for every field of a level."""
    level = LEVELS[kind]
    fields: dict[str, Value] = {field.name: 1 for field in level.fields}
    fields[level.fields[0].name] = "A name"
    fields[level.fields[PARENT_POSITION].name] = 1
    return {**fields, level.variant: variant} if level.variant else fields


def attempts(session: EngageSession) -> list[Callable[[], Coroutine[Any, Any, object]]]:
    """Every way that the table knows to write, and some that it does not."""
    writer = EngageWriter(session)
    found: list[Callable[[], Coroutine[Any, Any, object]]] = []
    for (kind, variant), route in ROUTES.items():
        fields = {
            name: value for name, value in fields_of(kind, variant).items() if (kind, name) not in LINKS
        }
        found.append(partial(writer.create, kind, Key("wp:x:1"), fields))
        found.append(partial(writer.update, kind, 1, fields, variant=variant))
        found.append(partial(writer.delete, kind, 1, variant=variant))
        found += [
            partial(session.write, method, f"{route.path}{below}", lambda answer: None, gate=lambda: None)
            for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "post", "MERGE")
            for below in ("", "/1")
        ]
    found += [partial(writer.update, kind, 1, {name: 1}) for kind, name in LINKS]
    return found


async def no_path_writes() -> None:
    """THE check: nothing that the table knows gets through a session that only reads."""
    sandbox, clock = make_sandbox()
    here = Bench(sandbox, clock)
    async with here.engage() as session:
        await make(EngageWriter(session))
    done, wire = len(sandbox.writes), Watching(sandbox)
    async with here.engage(read_only=True, transport=wire) as session:
        assert await session.listing(Asked(Kind.COUNTRY))  # it is the guard that refuses, not the server
        ways = attempts(session)
        halted = [await _halted(way) for way in ways]
    assert wire.writes() == []
    assert len(sandbox.writes) == done
    assert halted == [True] * (17 * len(ROUTES) + len(LINKS))


async def _halted(attempt: Callable[[], Coroutine[Any, Any, object]]) -> bool:
    try:
        await attempt()
    except Halted:
        return True
    except SyncError:
        pass
    return False


async def test_no_path_writes() -> None:
    await no_path_writes()


async def _passes(self: ReadOnlyTransport, request: httpx.Request) -> httpx.Response:
    return await self._inner.handle_async_request(request)


MUTATIONS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "every method is a read": lambda patch: patch.setattr(
        "engage_sync.clients.transport.READS", frozenset({"GET", "HEAD", "POST", "PUT", "DELETE"})
    ),
    "a delete is a read": lambda patch: patch.setattr(
        "engage_sync.clients.transport.READS", frozenset({"GET", "HEAD", "DELETE"})
    ),
    "the guard passes all": lambda patch: patch.setattr(ReadOnlyTransport, "handle_async_request", _passes),
    "the session has no guard": lambda patch: patch.setattr(
        "engage_sync.clients.engage_session.ReadOnlyTransport", lambda inner, **_: inner
    ),
}


@pytest.mark.parametrize("mutation", sorted(MUTATIONS))
async def test_a_guard_that_is_open_fails_the_check(mutation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTATIONS[mutation](monkeypatch)
    with pytest.raises(AssertionError):
        await no_path_writes()


async def test_a_whole_run_in_plan_mode_writes_nothing_and_asks_for_nothing_but_reads() -> None:
    here = stage()
    _, cluster = await run_in_cluster(here, "Plan", looks=1)
    assert cluster.ready() == ("True", "Planned")
    assert here.box.writes == []
    asked = {(each.method, each.path) for each in here.box.journal.requests}
    assert {method for method, path in asked if not path.endswith(TOKEN)} == {"GET"}


async def test_a_planning_run_is_given_a_session_that_only_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[bool] = []
    plain = EngageSession.__init__

    def init(self: EngageSession, *arguments: Any, **options: Any) -> None:
        given.append(options["read_only"])
        plain(self, *arguments, **options)

    monkeypatch.setattr(EngageSession, "__init__", init)
    await run_in_cluster(stage(), "Plan", looks=1)
    await run_in_cluster(stage(), "Apply", looks=1)
    assert given == [True, False]


async def test_the_source_is_never_written_to() -> None:
    sandbox, clock = make_sandbox()
    async with Bench(sandbox, clock).workplace() as source:
        assert isinstance(source, WorkplaceSource)
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            with pytest.raises(Halted):
                await source._session._http._client.request(method, "http://sandbox.test/workplace/rooms")
    assert sandbox.writes == []
