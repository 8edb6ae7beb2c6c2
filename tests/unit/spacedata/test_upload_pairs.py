import string

from hypothesis import given
from hypothesis import strategies as st

from engage_sync.spacedata.pairs import Pairs, pair
from reconcilers.text import clean, fold

NAMES = st.sampled_from(["A", "a", "Á", "ä", " A ", "B", "b 1", "B  1", "", "́", "Straße", "STRASSE"])


def paired(wanted: list[str], held: list[str]) -> Pairs[str, tuple[int, str]]:
    return pair(wanted, list(enumerate(held)), str, lambda one: one[1])


def test_exact_goes_before_folded() -> None:
    pairs = paired(["Büro", "Buro"], ["buro", "Büro"])
    assert pairs.found == [("Büro", (1, "Büro")), ("Buro", (0, "buro"))]


def test_blanks_do_not_count() -> None:
    assert paired(["Room 1"], [" Room   1 "]).found == [("Room 1", (0, " Room   1 "))]


def test_a_name_that_is_there_exactly_takes_nothing_from_its_likes() -> None:
    pairs = paired(["A", "a"], ["A"])
    assert (pairs.found, pairs.missing) == ([("A", (0, "A"))], ["a"])


def test_two_of_one_name_are_ambiguous() -> None:
    assert paired(["A"], ["A", "A"]).ambiguous == [(["A"], [(0, "A"), (1, "A")])]
    assert paired(["Á"], ["a", "A"]).ambiguous == [(["Á"], [(0, "a"), (1, "A")])]
    assert paired(["a", "A"], ["Á"]).ambiguous == [(["a", "A"], [(0, "Á")])]


def test_what_folds_to_nothing_is_found_only_as_written() -> None:
    pairs = paired(["́", "̀"], ["̀"])
    assert (pairs.found, pairs.missing) == ([("̀", (0, "̀"))], ["́"])


@given(st.lists(NAMES.map(clean).filter(bool), unique=True), st.lists(NAMES))
def test_whatever_is_wanted_is_found_missing_or_ambiguous(wanted: list[str], held: list[str]) -> None:
    pairs = paired(wanted, held)
    found = [name for name, _ in pairs.found]
    assert sorted(found + pairs.missing + [name for names, _ in pairs.ambiguous for name in names]) == sorted(
        wanted
    )
    taken = [one for _, one in pairs.found]
    assert len(set(taken)) == len(taken)
    assert all(fold(name) == fold(other) for name, (_, other) in pairs.found)


@given(
    st.lists(st.text(string.ascii_letters + " äÄ", max_size=3).map(clean).filter(bool), unique=True),
    st.data(),
)
def test_an_upload_that_was_cut_off_finds_exactly_its_own(wanted: list[str], data: st.DataObject) -> None:
    held = data.draw(st.lists(st.sampled_from(wanted), unique=True)) if wanted else []
    pairs = paired(wanted, held)
    assert [name for name, (_, other) in pairs.found if name != other] == []
    assert set(pairs.missing) == set(wanted) - set(held)
    assert not pairs.ambiguous
