from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from engage_sync.cli import cli
from engage_sync.conditions import Type, get
from engage_sync.spec import InvalidSpec, parse_spec
from engage_sync.trust import A_PERSON, DEFAULT_HOSTS, Trust, check_hosts, is_public, read_globs
from tests.synctargets import CANARY, spec
from tests.unit.operator.cluster import Cluster

DEFAULT = Trust()
FIELDS = ["source__baseURL", "target__applicationURL", "target__apiURL"]

INSIDE = [
    "0.0.0.0", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.255.0.9",
    "168.63.129.16", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1",
    "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
    "240.0.0.1", "255.255.255.255",
    "::", "::1", "::10.0.0.1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.169.254",
    "::ffff:0:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::127.0.0.1", "64:ff9b:1::8.8.8.8", "100::1",
    "2001::1", "2001:0:a00:1::", "2001:10::1", "2001:db8::1", "2002:7f00:1::", "2002:a00:1::", "3fff::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1", "ff02::1", "ff0e::1",
]  # fmt: skip
OUTSIDE = [
    "8.8.8.8", "9.255.255.255", "11.0.0.1", "172.15.255.255", "172.32.0.1", "192.167.1.1", "223.255.255.1",
    "::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::1111", "2a00:1450::1", "2001:4860:4860::8888",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_inside_is_refused_unless_private_networks_are_allowed(address: str) -> None:
    assert not DEFAULT.takes_address(address)
    assert Trust(private_network=True).takes_address(address)
    assert A_PERSON.takes_address(address)


@pytest.mark.parametrize("address", OUTSIDE)
def test_an_address_outside_is_taken(address: str) -> None:
    assert DEFAULT.takes_address(address)


@pytest.mark.parametrize(
    "text", ["", "acme.ioffice.com", "127.1", "2130706433", "0x7f.1", "010.0.0.1", "8.8.8"]
)
def test_what_is_no_address_is_refused_however_much_is_allowed(text: str) -> None:
    assert not A_PERSON.takes_address(text)


@pytest.mark.parametrize("address", INSIDE)
def test_loopback_alone_is_passed_for_demo_and_tests(address: str) -> None:
    mapped = getattr(ip_address(address), "ipv4_mapped", None) or ip_address(address)
    assert Trust(loopback=True).takes_address(address) == (mapped.is_loopback or mapped.is_unspecified)


@pytest.mark.parametrize("written", ["34.1.2.3", "::ffff:34.1.2.3"])
def test_the_api_server_is_never_connected_to_even_at_a_public_address(written: str) -> None:
    assert DEFAULT.takes_address(written)
    assert not Trust(api_server="34.1.2.3", private_network=True).takes_address(written)


@given(st.ip_addresses())
def test_what_python_calls_private_is_never_public(address: IPv4Address | IPv6Address) -> None:
    inside = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    assert not (inside and is_public(address))


@pytest.mark.parametrize(
    ("host", "taken"),
    [
        ("acme.iofficeconnect.com", True),
        ("ACME.ioffice.com", True),
        ("acme.eu.eptura.com", True),
        ("acme.condecosoftware.com.", True),
        ("xn--bcher-kva.eptura.com", True),
        ("eptura.com", False),
        (".eptura.com", False),
        ("evileptura.com", False),
        ("acme.eptura.com.evil.example", False),
        ("acme.eptura.co", False),
        ("acmexeptura.com", False),
        ("xn--eptura-9za.com", False),
        ("acme.azurewebsites.net", False),
        ("kubernetes.default.svc", False),
        ("localhost", False),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("::1", False),
        ("", False),
    ],
)
def test_hosts_that_get_credentials_by_default(host: str, taken: bool) -> None:
    assert DEFAULT.takes_host(host) == taken


@pytest.mark.parametrize(
    ("globs", "host", "taken"),
    [
        (("gate.example",), "gate.example", True),
        (("gate.example",), "a.gate.example", False),
        (("GATE.Example.",), "gate.example", True),
        (("gate-*.example",), "gate-7.example", True),
        (("gate-*.example",), "gate-.example", False),
        (("a.*.b.example",), "a.b.example", False),
        (("*",), "anything.example", True),
        (("*",), "10.0.0.1", False),
        (("*",), "fd00::1", False),
        (("10.0.0.1",), "10.0.0.1", True),
        (("10.0.0.1",), "::ffff:10.0.0.1", True),
        (("10.0.0.1",), "10.0.0.10", False),
        (("[FD00::1]",), "fd00:0::1", True),
        ((), "acme.eptura.com", False),
    ],
)
def test_other_hosts(globs: tuple[str, ...], host: str, taken: bool) -> None:
    assert Trust(hosts=read_globs(globs)).takes_host(host) == taken


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "a..b", "https://a.example", "a.example:443", "a/b", "bücher.example", "10.0.0.*", "*.10",
        "a b", "[a-z].example", f"https://u:{CANARY}@h",
    ],
)  # fmt: skip
def test_globs_that_could_never_match_are_refused_at_the_start(text: str) -> None:
    answer = CliRunner().invoke(cli, ["run", "--allow-host", text])
    assert answer.exit_code == 2
    assert "--allow-host" in answer.output
    assert CANARY not in answer.output


@pytest.mark.parametrize("path", FIELDS)
@pytest.mark.parametrize(
    "url",
    [
        "https://10.0.0.1", "https://kubernetes.default.svc", "https://kubernetes.default.svc.cluster.local.:443",
        "https://[fd00::1]:6443", "https://[::ffff:10.96.0.1]", "https://169.254.169.254/latest",
        "https://evil.example/acme.eptura.com",
    ],
)  # fmt: skip
async def test_a_host_outside_is_refused_in_one_sentence_and_nothing_is_run(path: str, url: str) -> None:
    cluster = Cluster()
    await cluster.look(cluster.apply(spec(**{path: f"{url}/{CANARY}"})))

    stalled = get(cluster.status()["conditions"], Type.STALLED)
    assert stalled is not None
    assert stalled["reason"] == "InvalidSpec"
    assert stalled["message"].startswith("spec." + path.replace("__", "."))
    assert "administrator" in stalled["message"]
    assert "--allow-host" in stalled["message"]
    assert "\n" not in stalled["message"]
    assert CANARY not in str((cluster.status(), cluster.kube.events))
    assert cluster.runner.runs == []


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:6443", "https://localhost:6443", "https://[::1]:6443", "https://0.0.0.0"]
)
async def test_loopback_is_refused_too_and_the_message_names_its_own_option(url: str) -> None:
    cluster = Cluster()
    cluster.controller.trust = Trust(hosts=("*",), private_network=True)
    await cluster.look(cluster.apply(spec(source__baseURL=url)))

    assert cluster.ready() == ("False", "InvalidSpec")
    assert "--allow-insecure-http" in cluster.status()["conditions"][0]["message"]


def test_what_is_listed_and_what_a_person_runs_passes() -> None:
    parsed = parse_spec(spec())
    check_hosts(parsed, DEFAULT)
    elsewhere = parse_spec(
        spec(source__baseURL="https://10.1.2.3:8443/x", target__apiURL="https://gate.example")
    )
    check_hosts(elsewhere, A_PERSON)
    check_hosts(elsewhere, Trust(hosts=(*DEFAULT_HOSTS, "10.1.2.3", "gate.example")))
    with pytest.raises(InvalidSpec):
        check_hosts(elsewhere, Trust(hosts=("10.1.2.3", "gate.example")))  # given globs replace the default


def test_loopback_passes_the_list_only_with_its_option() -> None:
    urls: dict[str, Any] = dict.fromkeys(FIELDS, "http://127.0.0.1:8080")
    parsed = parse_spec(spec(**urls), allow_insecure_http=True)
    check_hosts(parsed, Trust(loopback=True))
    with pytest.raises(InvalidSpec):
        check_hosts(parsed, DEFAULT)
