"""One audited control plane for all end-to-end tests, and a namespace with the chart's rights for each."""

import secrets
from collections.abc import Iterator

import pytest

from tests.chart_roles import AuditLog, Operator, install_roles
from tests.controlplane.build import Assets
from tests.controlplane.server import ControlPlane
from tests.e2e.harness import Tenant
from tests.kube.sync_targets import know_sync_targets


@pytest.fixture(scope="session")
def audit(tmp_path_factory: pytest.TempPathFactory) -> AuditLog:
    """Who did what on the audited control plane."""
    return AuditLog(tmp_path_factory.mktemp("audit"))


@pytest.fixture(scope="session")
def plane(control_plane_assets: Assets, audit: AuditLog) -> Iterator[ControlPlane]:
    """A control plane that knows SyncTargets and keeps an audit log."""
    with ControlPlane(control_plane_assets, apiserver_flags=audit.flags) as running:
        know_sync_targets(running)
        yield running


@pytest.fixture
def tenant(plane: ControlPlane) -> Tenant:
    """A fresh namespace for one tenant; why it stays, `tests/controlplane/fixtures.py` says."""
    name = f"e2e-{secrets.token_hex(4)}"
    plane.kubectl("create", "namespace", name)
    return Tenant(plane, name)


@pytest.fixture
def rights(tenant: Tenant) -> Operator:
    """The ServiceAccount and roles that the chart renders for the tenant's namespace."""
    return install_roles(tenant.plane, tenant.namespace)
