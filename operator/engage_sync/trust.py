"""What the administrator trusts: hosts that may get credentials, addresses that may be connected to. Pure.

The author of a SyncTarget is a tenant. What they write is held against this; nothing in a SyncTarget can
widen it.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from engage_sync.spec import InvalidSpec, Spec, is_loopback, urls

DEFAULT_HOSTS = ("*.iofficeconnect.com", "*.ioffice.com", "*.condecosoftware.com", "*.eptura.com")
"""Domains of the vendor's own. Never one where anybody can register a name (*.azurewebsites.net, …)."""

Address = IPv4Address | IPv6Address

# `ipaddress` alone will not do: its tables differ between Python 3.11 and 3.13, and it calls NAT64, 6to4,
# multicast and Azure's wire server global.
_NOT_PUBLIC_V4 = tuple(
    map(
        IPv4Network,
        (
            "0.0.0.0/8",  # this host
            "10.0.0.0/8",  # private
            "100.64.0.0/10",  # carriers' and clouds' own; pods and services of some clusters
            "127.0.0.0/8",  # loopback
            "168.63.129.16/32",  # what Azure's machines ask for their own secrets
            "169.254.0.0/16",  # link-local; the clouds' metadata
            "172.16.0.0/12",  # private
            "192.0.0.0/24",  # protocol assignments; Oracle's metadata
            "192.0.2.0/24",  # documentation
            "192.88.99.0/24",  # 6to4 relays
            "192.168.0.0/16",  # private
            "198.18.0.0/15",  # benchmarks
            "198.51.100.0/24",  # documentation
            "203.0.113.0/24",  # documentation
            "224.0.0.0/3",  # multicast, reserved, broadcast
        ),
    )
)
_PUBLIC_V6 = IPv6Network("2000::/3")
"""All that was ever given out; what lies beside it (loopback, link-local, unique local, …) is refused."""
_NOT_PUBLIC_V6 = tuple(
    map(
        IPv6Network,
        (
            "2001::/23",  # protocol assignments, Teredo
            "2001:db8::/32",  # documentation
            "2002::/16",  # 6to4: an IPv4 address in disguise, long out of use
            "3fff::/20",  # documentation
        ),
    )
)
_NAT64 = IPv6Network("64:ff9b::/96")
"""How a cluster without IPv4 reaches the rest of the world: judged by the IPv4 address within."""


@dataclass(frozen=True, slots=True)
class Trust:
    """What is allowed; the default is what `engage-sync run` starts with."""

    hosts: tuple[str, ...] | None = DEFAULT_HOSTS
    """Globs of host names, and IP addresses as they are; None is any host."""
    private_network: bool = False
    """Connect to any address at all."""
    loopback: bool = False
    """Take loopback as host and as address, whatever else is said here."""
    api_server: str = ""
    """The address of the cluster's own API server: never connected to, even where it is public."""

    def takes_host(self, host: str) -> bool:
        """May this host, as a URL names it, get credentials?"""
        host = host.rstrip(".").lower()
        if self.hosts is None or (self.loopback and is_loopback(host)):
            return True
        address = _address(host)
        if address is not None:
            return any(_address(listed.strip("[]")) == address for listed in self.hosts)
        return any(_matches(listed, host) for listed in self.hosts)

    def takes_address(self, text: str) -> bool:
        """May a connection be made to this address?"""
        address = _address(text)
        if address is None:
            return False
        if self.loopback and (address.is_loopback or address.is_unspecified):
            return True
        return address != _address(self.api_server) and (self.private_network or is_public(address))


A_PERSON = Trust(hosts=None, private_network=True, loopback=True)
"""Who runs a command with their own files, credentials and network."""


def is_public(address: Address) -> bool:
    """Is it an address of the public internet, and not of this host, its network, cluster or cloud?"""
    if isinstance(address, IPv6Address):
        if address in _NAT64:
            return is_public(IPv4Address(int(address) & 0xFFFFFFFF))
        return address in _PUBLIC_V6 and not any(address in network for network in _NOT_PUBLIC_V6)
    return not any(address in network for network in _NOT_PUBLIC_V4)


def check_hosts(spec: Spec, trust: Trust) -> None:
    """Hold the URLs of a spec against the hosts that are allowed.

    Raises:
        InvalidSpec: one of them is not; the text does not repeat it.
    """
    for field, url in urls(spec).items():
        if not trust.takes_host(urlsplit(url).hostname or ""):
            raise InvalidSpec(
                f"{field}: this operator sends no credentials to that host; correct the host, or have the"
                " administrator add it to --allow-host (the chart's allowedHosts)"
            )


def read_globs(texts: Iterable[str]) -> tuple[str, ...]:
    """Globs as an option holds them.

    Raises:
        ValueError: one is none; the text says why and does not repeat it.
    """
    globs = tuple(text.rstrip(".").lower() for text in texts)
    for glob in globs:
        if _address(glob.strip("[]")) is not None:
            continue
        if re.fullmatch(r"[0-9.*]*[0-9][0-9.*]*", glob):
            raise ValueError("an IP address as it is, never with * in it")
        if not re.fullmatch(r"[a-z0-9*_-]+(\.[a-z0-9*_-]+)*", glob):
            raise ValueError(
                "a host name in which * stands for any characters, such as *.example.com: no scheme, port or"
                " path, and international names as xn--…"
            )
    return globs


def _matches(glob: str, host: str) -> bool:
    """`*` stands for one character or more, so *.example.com is neither example.com nor .example.com."""
    pattern = ".+".join(re.escape(part) for part in re.split(r"\*+", glob.rstrip(".").lower()))
    return re.fullmatch(pattern, host) is not None and not host.startswith(".")


def _address(text: str) -> Address | None:
    """The address a text is, IPv4 in IPv6's clothes as IPv4; None when it is none."""
    try:
        address = ip_address(text)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address
