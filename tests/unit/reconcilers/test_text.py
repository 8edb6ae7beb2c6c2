import pytest

from reconcilers.text import Names, clean, fold, unique_names


@pytest.mark.parametrize(
    ("written", "meant"),
    [("  a  b ", "a b"), ("\ta\n b", "a b"), ("a\u00a0b", "a b"), ("   ", ""), ("", ""), (None, "")],
)
def test_text_is_trimmed_and_inner_blanks_collapse(written: str | None, meant: str) -> None:
    assert clean(written) == meant


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Houston", " HOUSTON "),
        ("München", "MUNCHEN"),
        ("Mu\u0308nchen", "M\u00fcnchen"),
        ("New  York", "new-york"),
        ("Straße", "STRASSE"),
        ("\uff34okyo", "tokyo"),
    ],
)
def test_spellings_of_one_city_fold_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_the_contract_s_example_of_a_folded_city() -> None:
    assert fold("Houston") == "houston"


def test_whoever_is_first_keeps_the_name() -> None:
    assert unique_names([(1, "A"), (2, "a"), (3, "B")], lambda id: (str(id),)) == {1: "A", 2: "a (2)", 3: "B"}


def test_suffixes_are_tried_in_turn_and_empty_ones_passed_over() -> None:
    wanted = [(1, "A"), (2, "A"), (3, "A")]

    assert unique_names(wanted, lambda id: ("X", str(id))) == {1: "A", 2: "A (X)", 3: "A (3)"}
    assert unique_names(wanted, lambda id: ("", str(id))) == {1: "A", 2: "A (2)", 3: "A (3)"}


def test_a_name_that_looks_like_a_suffix_form_is_kept_and_not_given_away() -> None:
    wanted = [(1, "A"), (2, "A"), (3, "A (2)")]

    assert unique_names(wanted, lambda id: (str(id),)) == {1: "A", 2: "A (2) (2)", 3: "A (2)"}


def test_names_that_are_taken_are_not_given() -> None:
    assert unique_names([(1, "Desk")], lambda id: (str(id),), taken=["DESK"]) == {1: "Desk (1)"}


def test_a_reserved_name_is_reserved_case_folded() -> None:
    names = Names(["Straße"])

    assert not names.reserve("STRASSE")
    assert names.settle("strasse", "7") == "strasse (7)"
