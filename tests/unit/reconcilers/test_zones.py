import pytest

from reconcilers.zones import country_name, windows_zone, zone_of_country


@pytest.mark.parametrize(
    ("iana", "windows"),
    [
        ("America/Chicago", "Central Standard Time"),
        ("Europe/London", "GMT Standard Time"),
        ("Asia/Kolkata", "India Standard Time"),
        ("Asia/Calcutta", "India Standard Time"),
        ("UTC", "UTC"),
        ("Etc/UTC", "UTC"),
        ("GMT", "UTC"),
        ("Europe/Kyiv", "FLE Standard Time"),
        ("Europe/Kiev", "FLE Standard Time"),
        ("Europe/Uzhgorod", "FLE Standard Time"),
        ("US/Eastern", "Eastern Standard Time"),
        ("US/East-Indiana", "US Eastern Standard Time"),
        ("America/Indianapolis", "US Eastern Standard Time"),
        ("Asia/Kathmandu", "Nepal Standard Time"),
        ("EST5EDT", "Eastern Standard Time"),
        ("CST6CDT", "Central Standard Time"),
        ("MST7MDT", "Mountain Standard Time"),
        ("PST8PDT", "Pacific Standard Time"),
    ],
)
def test_an_iana_zone_and_its_aliases_have_a_windows_name(iana: str, windows: str) -> None:
    assert windows_zone(iana) == windows


NOTHING = ["", "Mars/Olympus", "Antarctica/Troll", "Factory", "Eastern Standard Time"]


@pytest.mark.parametrize("nothing", NOTHING)
def test_what_cldr_does_not_know_has_none(nothing: str) -> None:
    assert windows_zone(nothing) == ""


@pytest.mark.parametrize(
    ("code", "windows"),
    [
        ("DE", "W. Europe Standard Time"),
        ("FR", "Romance Standard Time"),
        ("IN", "India Standard Time"),
        ("US", ""),
        ("XX", ""),
        ("", ""),
    ],
)
def test_a_country_has_a_zone_when_it_has_exactly_one(code: str, windows: str) -> None:
    assert zone_of_country(code) == windows


def test_countries_have_names() -> None:
    assert [country_name(code) for code in ("DE", "US", "XX")] == ["Germany", "United States", ""]
