"""Finds the cluster: KUBECONFIG, else the pod's service account, else ~/.kube/config."""

import asyncio
import os
import ssl
from collections.abc import Mapping
from pathlib import Path

from kubernetes.aio.client.configuration import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config
from kubernetes.aio.config.incluster_config import InClusterConfigLoader
from yaml import YAMLError

from reconcilers.errors import ConfigError

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


async def load_configuration(
    environ: Mapping[str, str] = os.environ, service_account: Path = SERVICE_ACCOUNT
) -> Configuration:
    """The configuration to reach the cluster with. Reads files: for the start, not for later.

    An explicit KUBECONFIG wins over the service account, so that tests inside a pod do not meet its cluster.

    Raises:
        ConfigError: there is none, or it cannot be used.
    """
    configuration = Configuration()
    kubeconfig = await asyncio.to_thread(_kubeconfig, environ, service_account)
    if kubeconfig:
        await _load_kubeconfig(kubeconfig, configuration)
    else:
        _load_service_account(configuration, environ, service_account)
    return configuration


def in_cluster(environ: Mapping[str, str] = os.environ, service_account: Path = SERVICE_ACCOUNT) -> bool:
    """Whether this runs in a pod with a service account."""
    return bool(environ.get("KUBERNETES_SERVICE_HOST")) and (service_account / "token").is_file()


def _kubeconfig(environ: Mapping[str, str], service_account: Path) -> str:
    """The file or files to use; empty in a pod."""
    named = environ.get("KUBECONFIG", "")
    if not named and in_cluster(environ, service_account):
        return ""
    paths = named or str(Path(environ.get("HOME", "~")).expanduser() / ".kube" / "config")
    if not any(Path(path).expanduser().is_file() for path in paths.split(os.pathsep) if path):
        raise ConfigError(f"no Kubernetes configuration: {paths} is not there, and this is no pod")
    return paths


async def _load_kubeconfig(path: str, configuration: Configuration) -> None:
    try:
        # persist_config would write refreshed tokens into the user's file.
        await load_kube_config(path, client_configuration=configuration, persist_config=False)
    except (ConfigException, OSError, YAMLError, TypeError, AttributeError, KeyError, ValueError) as error:
        # Not its text: YAML's shows the line, which may be the one with the token.
        raise ConfigError(f"the Kubernetes configuration {path} cannot be read ({_what(error)})") from None
    if not configuration.host or configuration.host == "http://localhost":
        raise ConfigError(f"the Kubernetes configuration {path} names no server")


def _load_service_account(
    configuration: Configuration, environ: Mapping[str, str], service_account: Path
) -> None:
    try:
        # It sets a hook that reads the token again every minute: tokens of pods expire.
        InClusterConfigLoader(
            token_filename=str(service_account / "token"),
            cert_filename=str(service_account / "ca.crt"),
            environ=environ,
        ).load_and_set(configuration)
    except (ConfigException, OSError, ssl.SSLError) as error:
        raise ConfigError(f"the pod's service account cannot be used: {error}") from error


def _what(error: Exception) -> str:
    return str(error) if isinstance(error, ConfigException) else type(error).__name__
