"""A sandbox with a clock that never waits, and clients of both its systems."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from engage_sync.clients.timing import Timing
from engage_sync.sandbox import ManualClock, Sandbox

WORKPLACE = "http://sandbox.test/workplace/external/api/rest/v2"
ENGAGE = "http://sandbox.test/engage/Acme/api/V1"
TOKEN = "http://sandbox.test/engage/tokenproviderapi/token"


def make_sandbox(**options: Any) -> tuple[Sandbox, ManualClock]:
    clock = ManualClock()
    return Sandbox(clock=clock, sleep=clock.sleep, **options), clock


@contextmanager
def instant(transport: Callable[[], httpx.AsyncBaseTransport], clock: ManualClock) -> Iterator[None]:
    """All that the product sends goes there, and no client ever waits."""
    timing = Timing(clock, clock, clock.sleep, lambda: 0.5)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("engage_sync.app.network_transport", lambda trust: transport())
        for module in ("http", "engage_session", "workplace_session"):
            patch.setattr(f"engage_sync.clients.{module}.Timing", lambda: timing)
        yield


def workplace_headers(sandbox: Sandbox) -> dict[str, str]:
    account = sandbox.account
    return {"x-auth-username": account.workplace_username, "x-auth-password": account.workplace_password}


def workplace(sandbox: Sandbox) -> httpx.Client:
    headers = workplace_headers(sandbox)
    return httpx.Client(transport=sandbox.transport(), base_url=WORKPLACE, headers=headers)


def token_form(sandbox: Sandbox, **changes: str) -> dict[str, str]:
    account = sandbox.account
    form = {"client_id": account.engage_client_id, "password": account.engage_password}
    return {**form, "grant_type": "password", **changes}


def get_token(sandbox: Sandbox) -> str:
    with httpx.Client(transport=sandbox.transport()) as client:
        return str(client.post(TOKEN, data=token_form(sandbox)).json()["access_token"])


def engage(sandbox: Sandbox, product: str = "HierarchyMapping") -> httpx.Client:
    headers = {
        "Authorization": f"Bearer {get_token(sandbox)}",
        "Ocp-Apim-Subscription-Key": sandbox.account.subscription_keys[product],
    }
    return httpx.Client(transport=sandbox.transport(), base_url=ENGAGE, headers=headers)


@dataclass
class Hierarchy:
    """Ids of one item of each kind in Engage."""

    country: int
    group: int
    region: int
    location: int
    floor: int

    def room(self, name: str = "Room 1", **changes: object) -> dict[str, object]:
        fields = {"LocationId": self.location, "FloorNumber": "1", "GroupId": self.group}
        return {"ResourceName": name, **fields, "WorkspaceTypeId": 1, "MaxCapacity": 4, **changes}

    def desk(self, name: str = "Desk 1", **changes: object) -> dict[str, object]:
        return self.room(name, **{"WorkspaceTypeId": 2, "MaxCapacity": 1, **changes})


def make_hierarchy(sandbox: Sandbox) -> Hierarchy:
    make = sandbox.seed.engage
    country = make("countries", ResourceName="Germany", CountryCode="DE")
    group = make("groups", ResourceName="Everyone", InternalParentId=country)
    region = make("regions", ResourceName="Berlin", InternalParentId=country)
    zone = "W. Europe Standard Time"
    location = make("locations", ResourceName="Tower", InternalParentId=region, TimeZone=zone)
    sandbox.engage.data.add_group(location, group)
    floor = make("floors", ResourceName="First", InternalParentId=location, FloorNumber="1")
    return Hierarchy(country, group, region, location, floor)
