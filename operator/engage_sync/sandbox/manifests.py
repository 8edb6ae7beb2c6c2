"""A SyncTarget and its Secrets that fit a running sandbox (contract sections 1 and 7).

No namespace is set, so that `kubectl -n` decides.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from engage_sync.sandbox.account import Account, Addresses

_NAME = "acme"


def write_manifests(folder: Path, account: Account, addresses: Addresses, *, limits: bool) -> None:
    """Write target.yaml and secrets.yaml, making the folder when it is not there."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "target.yaml", [sync_target(addresses, limits=limits)])
    _write(folder / "secrets.yaml", secrets(account))


def sync_target(addresses: Addresses, *, limits: bool) -> dict[str, Any]:
    """A SyncTarget that carries its plans out; without limits here it needs none there."""
    target: dict[str, Any] = {
        "applicationURL": addresses.engage_application,
        "apiURL": addresses.engage_api,
        "credentialsSecretRef": {"name": f"{_NAME}-engage"},
        "subscriptionKeysSecretRef": {"name": f"{_NAME}-keys"},
    }
    if not limits:
        target["rateLimit"] = {"perMinute": 0, "perWeek": 0}
    return {
        "apiVersion": "engage-sync.io/v1alpha1",
        "kind": "SyncTarget",
        "metadata": {"name": _NAME},
        "spec": {
            "tenant": _NAME,
            "mode": "Apply",
            "source": {
                "baseURL": addresses.workplace,
                "credentialsSecretRef": {"name": f"{_NAME}-workplace"},
            },
            "target": target,
        },
    }


def secrets(account: Account) -> list[dict[str, Any]]:
    """The three Secrets that the SyncTarget names."""
    data = {
        "workplace": {"username": account.workplace_username, "password": account.workplace_password},
        "engage": {"clientId": account.engage_client_id, "password": account.engage_password},
        "keys": dict(account.subscription_keys),
    }
    return [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": f"{_NAME}-{name}"}, "stringData": values}
        for name, values in data.items()
    ]


def _write(path: Path, documents: list[dict[str, Any]]) -> None:
    path.write_text(yaml.safe_dump_all(documents, sort_keys=False, allow_unicode=True), encoding="utf-8")
