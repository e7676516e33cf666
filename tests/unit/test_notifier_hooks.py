"""Webhooks as far as no network is needed: addresses, retries, signatures."""

import ipaddress
from datetime import UTC, datetime, timedelta

import pytest

from services.notifier.rules.webhooks import PAUSES, Allowed, Answered, DeliveryState, Wrong, after, sign, wrong_url

NOW = datetime(2026, 11, 23, 4, 0, tzinfo=UTC)
PUBLIC = Allowed()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::",
        "no address", "",
    ],
)  # fmt: skip
def test_addresses_that_are_nobodys_business_are_not_called(address):
    assert not PUBLIC.address(address)


def test_public_addresses_are_called_and_private_ones_that_the_deployment_names():
    assert all(PUBLIC.address(address) for address in ("93.184.215.14", "2606:2800:21f:cb07::1"))
    hospital = Allowed(networks=(ipaddress.ip_network("10.20.0.0/16"),))
    assert hospital.address("10.20.3.4")
    assert hospital.address("::ffff:10.20.3.4")
    assert not hospital.address("10.21.3.4")


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("https://school.example/tocsin?x=1", None),
        ("https://school.example:8443/", None),
        ("http://school.example/", Wrong.NOT_HTTPS),
        ("ftp://school.example/", Wrong.NOT_HTTPS),
        ("https:///x", Wrong.MALFORMED),
        ("https://school.example:99999/", Wrong.MALFORMED),
        ("https://a:b@school.example/", Wrong.MALFORMED),
        ("https://school.example/#x", Wrong.MALFORMED),
        ("https://school.example/ x", Wrong.MALFORMED),
        ("https://school.example/\r\nx: y", Wrong.MALFORMED),
        ("https://学校.example/", Wrong.MALFORMED),
        ("https://[::1/", Wrong.MALFORMED),
        ("https://127.0.0.1/", Wrong.PRIVATE),
        ("https://[::ffff:10.0.0.1]/", Wrong.PRIVATE),
        ("https://school.example/" + "x" * 500, Wrong.TOO_LONG),
    ],
)
def test_urls(url, wrong):
    assert wrong_url(url, PUBLIC) is wrong


def test_tries_grow_apart_for_a_day_then_it_is_given_up():
    assert list(PAUSES) == sorted(PAUSES)
    assert timedelta(hours=20) < sum(PAUSES, timedelta()) <= timedelta(hours=24)
    for tries, pause in enumerate(PAUSES, start=1):
        then = after(Answered(500), tries, NOW)
        assert (then.state, then.next_at) == (DeliveryState.PENDING, NOW + pause)
    assert after(Answered(None, "no answer in time"), len(PAUSES) + 1, NOW).state is DeliveryState.DEAD
    assert after(Answered(410), 1, NOW).state is DeliveryState.DEAD
    assert after(Answered(302), 1, NOW).state is DeliveryState.PENDING
    assert after(Answered(204), 99, NOW).state is DeliveryState.DELIVERED


def test_the_sample_of_the_guide():
    """The numbers in docs/webhooks.md, which a receiver can check its own code with."""
    headers = sign([bytes(range(32))], "0190f3a2-0000-7000-8000-000000000001", NOW, b'{"type":"report.status_changed"}')
    assert headers == {
        "webhook-id": "0190f3a2-0000-7000-8000-000000000001",
        "webhook-timestamp": "1795406400",
        "webhook-signature": "v1,mgQfJLSg/QTGlxbz2r0L6HDIXxNH2R7qaOaBaozJAR4=",
    }
