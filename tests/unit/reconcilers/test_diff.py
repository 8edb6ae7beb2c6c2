from reconcilers.diff import FieldChange, field_changes
from reconcilers.model import Value


def test_only_what_differs_is_told_in_the_order_of_the_new() -> None:
    old: dict[str, Value] = {"name": "A", "number": "1", "count": 3}

    assert field_changes(old, {"number": "2", "name": "B", "count": 3}) == (
        FieldChange("number", "1", "2"),
        FieldChange("name", "A", "B"),
    )


def test_nothing_is_something_else_than_an_empty_text_and_a_text_than_a_number() -> None:
    old: dict[str, Value] = {"a": None, "b": "", "c": "3", "d": 1}
    new: dict[str, Value] = {"a": "", "b": None, "c": 3, "d": None}

    assert [change.field for change in field_changes(old, new)] == ["a", "b", "c", "d"]


def test_case_and_blanks_count() -> None:
    assert len(field_changes({"a": "A", "b": "x"}, {"a": "a", "b": "x "})) == 2
