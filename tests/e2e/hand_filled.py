"""An Engage that people fill by hand, over its own API, and what they find there afterwards."""

import json
import urllib.request
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from tests.e2e.harness import SandboxProcess, call

Item = dict[str, Any]
_KEY = "sandbox-hierarchy-key"
_LOGIN = {"client_id": "sandbox-client", "password": "sandbox-engage-password", "grant_type": "password"}
_TABLES = ("countries", "regions", "groups", "workspaceTypes", "locations", "floors", "rooms", "desks")


@dataclass
class HandFilled:
    """The Engage of a running sandbox, as someone with an administrator's rights sees it."""

    box: SandboxProcess
    token: str

    def add(self, kind: str, name: str, **fields: Any) -> int:
        """A new item; its internal id."""
        answer = self._send("POST", f"/{kind}", {"ResourceName": name, **fields})
        id: int = answer["Data"][0]["InternalId"]
        return id

    def change(self, kind: str, id: int, **fields: Any) -> None:
        """Some fields of an item."""
        self._send("PUT", f"/{kind}/{id}", fields)

    def location(self, name: str, region: int, group: int, zone: str, **fields: Any) -> int:
        """A location with its group."""
        id = self.add("locations", name, InternalParentId=region, TimeZone=zone, **fields)
        self._send("POST", f"/locations/{id}/groups", {"GroupId": group})
        return id

    def book(self, resource: int, days: int) -> None:
        """An hour so many days from now, as a user books it."""
        start = (datetime.now(UTC) + timedelta(days=days)).replace(hour=9, minute=0, second=0, microsecond=0)
        times = (start, start + timedelta(hours=1))
        first, last = (moment.strftime("%Y-%m-%dT%H:%M:%SZ") for moment in times)
        body = {"roomId": resource, "startDateTime": first, "endDateTime": last}
        self.box.admin("POST", "/engage/bookings", body)

    def items(self) -> dict[tuple[str, int], Item]:
        """All that is there, by table and internal id."""
        held = self.box.engage()
        return {(kind, item["InternalId"]): item for kind in _TABLES for item in held[kind]}

    def bookings(self) -> list[Item]:
        """All bookings."""
        return self.box.engage()["bookings"]

    def _send(self, method: str, path: str, body: Item) -> Any:
        headers = {"Ocp-Apim-Subscription-Key": _KEY, "Authorization": f"Bearer {self.token}"}
        return call(f"{self.box.url}/engage/Acme/api/V1{path}", method, body, headers)


def hand_filled(box: SandboxProcess) -> HandFilled:
    """Someone who is logged in."""
    request = urllib.request.Request(
        f"{box.url}/engage/tokenproviderapi/token", data=urlencode(_LOGIN).encode()
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return HandFilled(box, json.loads(answer.read())["access_token"])
