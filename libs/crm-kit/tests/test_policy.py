"""From where and when a role may be used."""

import ipaddress
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from crm_kit import policy

pytestmark = pytest.mark.feature("IDN-12")

OFFICE = {"allowedAddresses": ["10.0.0.0/8", "2001:db8::/32", "192.0.2.7"]}
WORK = {
    "allowedHours": [{"days": ["mon", "tue"], "start": "08:30", "end": "18:00"}, {"start": "22:00", "end": "24:00"}]
}
MONDAY, SUNDAY = 0, 6


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        ("10.1.2.3", True),
        ("::ffff:10.1.2.3", True),
        ("2001:db8::1", True),
        ("192.0.2.7", True),
        ("192.0.2.8", False),
        ("11.0.0.1", False),
        ("2001:db9::1", False),
        ("", False),
        ("rubbish", False),
        ("10.1.2.3, 8.8.8.8", False),
    ],
)
def test_an_address_lies_in_one_of_the_networks_or_not(address, permitted):
    assert policy.use(OFFICE).permits(policy.address_of(address), MONDAY, 0) is permitted


@pytest.mark.parametrize(
    ("day", "time", "permitted"),
    [
        (MONDAY, "08:29", False),
        (MONDAY, "08:30", True),
        (MONDAY, "17:59", True),
        (MONDAY, "18:00", False),
        (SUNDAY, "12:00", False),
        (SUNDAY, "23:59", True),
    ],
)
def test_a_moment_lies_in_one_of_the_spans_or_not(day, time, permitted):
    assert policy.use(WORK).permits(None, day, policy.minute_of(time)) is permitted


def test_the_clock_is_that_of_the_persons_time_zone(monkeypatch):
    class Frozen(datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime(2026, 1, 5, 0, 30, tzinfo=ZoneInfo("UTC")).astimezone(tz)

    monkeypatch.setattr(policy, "datetime", Frozen)

    assert policy.moment("Asia/Shanghai").hour == 8
    assert policy.moment("America/New_York").weekday() == SUNDAY
    assert policy.moment("Nowhere/At_All").hour == 8


@pytest.mark.parametrize("text", ["8:30", "08:60", "24:01", "25:00", "0830", "08:3", "-1:00", "٠٨:٣٠", "", "08:30:00"])
def test_what_is_no_time_of_day_is_refused(text):
    with pytest.raises(ValueError, match="no time of day"):
        policy.minute_of(text)


@pytest.mark.parametrize("text", ["10.0.0.1/8", "10.0.0.0/33", "office", "", "1.2.3"])
def test_what_is_no_network_is_refused(text):
    with pytest.raises(ValueError, match=r"appear|host bits"):
        policy.network(text)


def test_a_stored_policy_that_cannot_be_read_permits_nothing():
    use = policy.stored_use({"allowedAddresses": ["nonsense"]})

    assert not use.permits(ipaddress.ip_address("10.0.0.1"), MONDAY, 600)


@pytest.mark.parametrize(
    ("wide", "narrow", "covered"),
    [
        ({}, OFFICE, True),
        (None, {}, True),
        (OFFICE, {}, False),
        (OFFICE, {"allowedAddresses": ["10.2.0.0/16"]}, True),
        (OFFICE, {"allowedAddresses": ["10.2.0.0/16", "11.0.0.0/8"]}, False),
        (OFFICE, {"allowedAddresses": ["2001:db8:1::/48"], **WORK}, True),
        (OFFICE, WORK, False),
        (WORK, {"allowedHours": [{"days": ["mon"], "start": "09:00", "end": "12:00"}]}, True),
        (WORK, {"allowedHours": [{"days": ["wed"], "start": "09:00", "end": "12:00"}]}, False),
        (WORK, {"allowedHours": [{"start": "22:30", "end": "23:00"}]}, True),
        ({"secondFactor": True}, {}, False),
        ({"secondFactor": True}, {"secondFactor": True}, True),
        ({}, {"secondFactor": True}, True),
    ],
)
def test_one_policy_covers_another_or_not(wide, narrow, covered):
    assert policy.covers(wide, narrow) is covered
