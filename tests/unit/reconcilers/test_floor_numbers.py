import pytest

from reconcilers.levels.floor import numbers_of, parse_number
from reconcilers.source import Floor


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("3", 3), ("3rd Floor", 3), ("Floor 3", 3), ("Level 3", 3), ("OG 03", 3), ("3. OG", 3),
        ("1st floor", 1), ("2nd FLOOR", 2), ("11th Floor", 11), ("0", 0), ("  floor   3 ", 3),
        ("G", 0), ("Ground", 0), ("Ground Floor", 0), ("Lobby", 0), ("EG", 0), ("eg", 0),
        ("B2", -2), ("Basement 2", -2), ("UG 02", -2), ("-2", -2),
    ],
)  # fmt: skip
def test_a_whole_name_that_tells_a_number(name: str, number: int) -> None:
    assert parse_number(name) == number


@pytest.mark.parametrize(
    "name",
    [
        "", " ", "Mezzanine", "Mezzanine 3", "Floor 3 East", "East Floor 3", "3rd", "3 rd Floor", "3a", "3.5",
        "1,5", "Floor", "Floor three", "Level", "B", "B2.1", "B-2", "--2", "2-", "G2", "Ground 1", "Lobby A",
        "EG 1", "OG", "OG 3 West", "Room 3", "٣", "³", "3\u0301", "+3", "Basement", "12345678901234567890",
    ],
)  # fmt: skip
def test_anything_around_it_and_it_is_not_parsed(name: str) -> None:
    assert parse_number(name) is None


def numbers(*names: str) -> list[int]:
    told = numbers_of([Floor(id, name, 1) for id, name in enumerate(names)])
    return [told[id] for id in range(len(names))]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["Mezzanine", "Roof"], [0, 1]),
        (["Roof", "2", "G"], [3, 2, 0]),
        (["3", "Floor 3", "Roof"], [3, 4, 5]),
        (["Roof", "B2"], [-1, -2]),
        (["1", "1", "2"], [1, 3, 2]),
        ([], []),
    ],
    ids=["from 0 when none is parsed", "above the highest", "taken by a lower id", "above a basement",
         "a taken one goes above the highest", "none at all"],
)  # fmt: skip
def test_floors_without_a_number_of_their_own(names: list[str], expected: list[int]) -> None:
    assert numbers(*names) == expected
