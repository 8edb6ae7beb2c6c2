from datetime import timedelta

import pytest

from engage_sync.fields import parse_duration


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("24h", timedelta(hours=24)),
        ("1h30m", timedelta(minutes=90)),
        ("1.5h", timedelta(minutes=90)),
        ("90m0.5s", timedelta(minutes=90, milliseconds=500)),
        ("1500ms", timedelta(seconds=1.5)),
        ("0s", timedelta()),
        ("0.0000019s", timedelta(microseconds=1)),
    ],
)
def test_durations(text: str, length: timedelta) -> None:
    assert parse_duration(text) == length


@pytest.mark.parametrize("text", ["", "1", "1d", "h", "1h 2m", "+1h", "1H", "1.h", ".5h", "1h\n", "\u0661h"])
def test_no_durations(text: str) -> None:
    with pytest.raises(ValueError, match="Go duration"):
        parse_duration(text)
