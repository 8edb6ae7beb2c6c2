"""The credentials of a tenant: where they are read, and what is said when one is not there."""

from collections.abc import Mapping
from typing import Protocol

from engage_sync.clients.secrets import EngageCredentials, Secret, WorkplaceCredentials
from engage_sync.kube import Forbidden, Invalid, Kube, KubeError
from engage_sync.spec import Spec
from reconcilers.errors import ConfigError, TransientError

REQUIRED_KEY = "HierarchyMapping"


class SecretMissing(ConfigError):
    """A Secret or a key of it is not there."""

    reason = "SecretMissing"


class Secrets(Protocol):
    """Where Secrets are read; only ever in the SyncTarget's own namespace."""

    async def secret(self, name: str) -> Mapping[str, str] | None:
        """The keys of a Secret; None when there is none."""
        ...


async def read_credentials(spec: Spec, secrets: Secrets) -> tuple[WorkplaceCredentials, EngageCredentials]:
    """The credentials as they are now, so that rotation works. Raises SecretMissing, never with a value."""
    source = await _keys(secrets, "spec.source.credentialsSecretRef", spec.source.credentials_secret_ref.name,
                         ("username", "password"))  # fmt: skip
    target = await _keys(secrets, "spec.target.credentialsSecretRef", spec.target.credentials_secret_ref.name,
                         ("clientId", "password"))  # fmt: skip
    keys = await _keys(secrets, "spec.target.subscriptionKeysSecretRef",
                       spec.target.subscription_keys_secret_ref.name, (REQUIRED_KEY,))  # fmt: skip
    return (
        WorkplaceCredentials(source["username"], source["password"]),
        EngageCredentials(target["clientId"], target["password"], keys),
    )


async def _keys(secrets: Secrets, path: str, name: str, required: tuple[str, ...]) -> dict[str, Secret]:
    found = await secrets.secret(name)
    if found is None:
        wanted = f"key{'s' if len(required) > 1 else ''} {' and '.join(required)}"
        raise SecretMissing(f'{path}: there is no Secret "{name}"; create it with the {wanted}')
    for key in required:
        if not found.get(key):
            raise SecretMissing(f'{path}: Secret "{name}" has no key "{key}"; add it')
    return {key: Secret(value) for key, value in found.items()}


class ClusterSecrets:
    """The Secrets of one namespace."""

    def __init__(self, kube: Kube, namespace: str) -> None:
        self._kube, self._namespace = kube, namespace

    async def secret(self, name: str) -> Mapping[str, str] | None:
        """The keys of a Secret; None when there is none. Raises SecretMissing or TransientError."""
        try:
            return await self._kube.get_secret(self._namespace, name)
        except (Forbidden, Invalid) as error:
            raise SecretMissing(f'Secret "{name}" cannot be read: {error}') from None
        except KubeError as error:
            raise TransientError(f'Secret "{name}" could not be read: {error}') from None
