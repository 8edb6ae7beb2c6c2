"""The operator on the real API server, against a server, data and an oracle that are not ours."""

from pathlib import Path

import pytest

from tests.e2e.foreign_server import ForeignServer
from tests.e2e.harness import Tenant, operator
from tests.e2e.test_foreign_sync import Command, differences, world


@pytest.mark.cluster
def test_initial_sync_then_nothing_then_a_rename(tenant: Tenant, tmp_path: Path) -> None:
    tenant.name = "foreign"
    with ForeignServer() as server, operator(tenant.plane, tenant.namespace, tmp_path / "operator.log"):
        world(server.workplace, 1, buildings=40, floors=100, rooms=200)
        Command(server, tmp_path).files()
        for name in ("secrets.yaml", "target.yaml"):
            text = (tmp_path / name).read_text("utf-8")
            manifest = text.replace("namespace: x\n", f"namespace: {tenant.namespace}\n")
            tenant.kubectl("apply", "-f", "-", input=manifest)
        tenant.wait_ready()
        assert "\n".join(differences(server)) == ""
        assert server.refusals() == []

        server.reset_log()
        tenant.request("nothing-changed")
        assert server.writes() == []

        server.workplace.rooms[spaces_in_engage(server)[0]]["name"] = "A name that nobody else has"
        tenant.request("one-rename")
        assert [(call.method, call.status) for call in server.writes()] == [("PUT", 200)]
        assert "\n".join(differences(server)) == ""


def spaces_in_engage(server: ForeignServer) -> list[int]:
    """Ids in Workplace of the spaces that Engage holds."""
    items = [*server.engage.tables["rooms"].values(), *server.engage.tables["desks"].values()]
    return sorted(int(item["ExternalId"].rpartition(":")[2]) for item in items if item.get("ExternalId"))
