"""`engage-sync why`, and the forms in which its answer is shown."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from engage_sync import cli
from engage_sync.resource import LINE_MAX, LINES_MAX
from engage_sync.sandbox import Sandbox
from engage_sync.why import (
    SENTENCE_MAX,
    answer_lines,
    answer_sentence,
    as_json,
    as_text,
)
from reconcilers.model import Key, Kind
from reconcilers.why import Explanation
from reconcilers.why_fields import FieldAnswer
from tests.engine.rig import Rig
from tests.engine.samples import edit, synced, two_buildings
from tests.unit.operator.test_cli import Tenant, tenant_of
from tests.unit.reconcilers.test_why import why

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The console script in this process: its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["engage-sync", *map(str, arguments)])
        capsys.readouterr()
        try:
            cli.main()
        except SystemExit as end:
            code = int(str(end.code))
        else:
            code = 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


@pytest.fixture
def tenant(tmp_path: Path) -> Iterator[Tenant]:
    with tenant_of(Sandbox(), tmp_path / "tenant") as made:
        yield made


def reads_only(tenant: Tenant) -> bool:
    asked = {(each.system, each.method) for each in tenant.sandbox.journal.requests}
    token = ("engage", "POST")
    return asked == {("workplace", "GET"), ("engage", "GET"), token} and not tenant.sandbox.writes


# The command


def test_it_explains_an_entity_and_leaves_both_systems_as_they_were(command: Command, tenant: Tenant) -> None:
    code, out, err = command("why", *tenant.files, "wp:building:1")

    assert (code, err) == (0, "")
    assert out.startswith('wp:building:1: Location "Bayou Tower"\n\nIn Workplace\n  The source lists it: ')
    assert '* ResourceName: none → "Bayou Tower" (the building\'s name)\n' in out
    assert out.endswith("What will happen\n  A run that applies will create it.\n")
    assert reads_only(tenant)


def test_it_remembers_nothing_and_knows_what_a_sync_remembered(
    command: Command, tenant: Tenant, tmp_path: Path
) -> None:
    state = ("--state", tmp_path / "state")
    command("why", *tenant.files, *state, "wp:room:1")
    assert not (tmp_path / "state" / "mapping").exists()
    assert command("sync", *tenant.files, *state)[0] == 0
    before = (tmp_path / "state" / "mapping").read_bytes()
    tenant.sandbox.journal.reset()
    code, out, _ = command("why", *tenant.files, *state, "-o", "json", "wp:room:1")

    answer = json.loads(out)
    assert code == 0
    assert answer["kind"] == "Resource"
    assert answer["match"][0].startswith("Matched by its external id: ")
    assert answer["match"][1].startswith("The mapping has it as Synced")
    assert answer["outcome"] == ["Nothing will be done: the target holds it as it shall be."]
    assert {field["differs"] for field in answer["fields"]} == {False}
    assert (tmp_path / "state" / "mapping").read_bytes() == before
    assert reads_only(tenant)


def test_what_changed_in_workplace_is_shown_field_by_field(command: Command, tenant: Tenant) -> None:
    command("sync", *tenant.files)
    tenant.sandbox.workplace.data.tables["buildings"][1]["name"] = "Bayou Tower II"
    _, text, _ = command("why", *tenant.files, "wp:building:1")
    _, data, _ = command("why", *tenant.files, "-o", "json", "wp:building:1")

    assert '* ResourceName: "Bayou Tower" → "Bayou Tower II" (the building\'s name)\n' in text
    assert [field for field in json.loads(data)["fields"] if field["differs"]] == [
        {"field": "ResourceName", "from": "Bayou Tower", "to": "Bayou Tower II", "differs": True,
         "why": "the building's name"}
    ]  # fmt: skip


def test_a_reference_is_told_as_what_engage_holds() -> None:
    rig = synced()
    edit(rig.source.buildings, 20, city="Austin")
    region = rig.target.find("wp:city:US:houston")

    assert (
        f'* InternalParentId: "Houston" (internal id {region["id"]}) → "Austin" (wp:city:US:austin) '
        "(its city, within its country)\n"
    ) in as_text(why(rig, "wp:building:20"))
    assert '  FloorNumber: "Ground Floor" (wp:floor:1) (its floor, "Ground Floor")\n' in as_text(
        why(rig, "wp:room:100")
    )


def test_a_key_that_nobody_knows_is_explained(command: Command, tenant: Tenant) -> None:
    code, out, _ = command("why", *tenant.files, "wp:room:999999")

    assert code == 0
    assert "nobody knows this key" in out


@pytest.mark.parametrize("key", ["room:13", "13", "wp:space:13"])
def test_what_cannot_be_a_key_is_refused_before_anything_is_read(
    command: Command, tenant: Tenant, key: str
) -> None:
    code, out, err = command("why", *tenant.files, key)

    assert (code, out) == (1, "")
    assert err.startswith(
        f'engage-sync: "{key}" is not a key; a key looks like one of these: wp:country:US, '
    )
    assert err.count("\n") == 1
    assert not tenant.sandbox.journal.requests


def test_a_number_that_is_none_is_refused_in_one_sentence(command: Command, tenant: Tenant) -> None:
    code, out, err = command("why", *tenant.files, "wp:room:x")

    assert (code, out) == (1, "")
    assert err == (
        'engage-sync: "wp:room:x" is not the key of a Resource; such a key looks like wp:room:13\n'
    )


def test_credentials_that_are_rejected_are_an_error(command: Command, tenant: Tenant) -> None:
    path = tenant.folder / "secrets.yaml"
    documents = list(yaml.safe_load_all(path.read_text()))
    documents[0]["stringData"]["password"] = "wrong"
    path.write_text(yaml.safe_dump_all(documents))
    code, out, err = command("why", *tenant.files, "wp:room:1")

    assert (code, out) == (1, "")
    assert err.startswith("engage-sync: ")
    assert err.count("\n") == 1


def test_its_help_has_an_example_and_the_exit_codes(command: Command) -> None:
    code, out, _ = command("why", "--help")

    assert code == 0
    assert "engage-sync why -f target.yaml -f secrets.yaml wp:room:13" in out
    assert "Exit codes: 0 it was explained, 1 error." in out


# The forms of the answer


LONG = Explanation(
    key=Key("wp:building:1"),
    kind=Kind.LOCATION,
    name="Tower " * 30,
    source=("The source lists it. " * 40,),
    scope=("In scope. " * 80,),
    match=("Matched. " * 80, "The mapping has it. " * 80),
    fields=tuple(FieldAnswer(f"Field{n}", "x" * 300, None, True, "because") for n in range(20)),
    outcome=("It waits for an approval. " * 40,),
)


def answers() -> Iterator[Explanation]:
    rig = synced()
    edit(rig.source.buildings, 20, name="Tower", code="X", city="Dallas")
    edit(rig.source.spaces, 100, name="\x1b[31mred\n\ud800", floor=2)
    for key in ("wp:building:20", "wp:room:100", "wp:room:200", "wp:room:9", "wp:country:US"):
        yield why(rig, key)
    yield why(Rig(two_buildings()), "wp:building:10")
    yield LONG
    yield replace(LONG, name="", fields=(), source=("y" * 5000,))


def test_lines_and_sentence_keep_their_bounds_and_can_be_printed() -> None:
    for answer in answers():
        lines, sentence = answer_lines(answer), answer_sentence(answer)

        assert 4 <= len(lines) <= LINES_MAX == 12
        assert all(0 < len(line) <= LINE_MAX == 128 for line in lines)
        assert len(sentence) <= SENTENCE_MAX == 512
        assert sentence.isprintable()
        assert all(line.isprintable() for line in [*lines, *as_text(answer).split("\n")])
        assert json.loads(as_json(answer))["key"] == answer.key


def test_lines_say_first_what_will_happen_then_why_then_what_differs() -> None:
    rig = synced()
    edit(rig.source.spaces, 100, name="Soyuz")

    lines = answer_lines(why(rig, "wp:room:100"))
    timeless = [
        re.sub("internal id [0-9]+", "internal id N", re.sub("[0-9T:-]+Z", "TIME", line)) for line in lines
    ]
    assert timeless == [
        'wp:room:100: Resource "Soyuz"',
        "A run that applies will update it (ResourceName).",
        'The source lists it: space 100 "Soyuz", on floor 1 "Ground Floor" of building 10 "Tower", '
        'type 52 "Conference" in the group "We',
        'Spaces", reservable.',
        'In scope: its building wp:building:10 "Tower" is, type 52 "Conference" in the group "We Spaces" '
        "is booked, and it is reservable.",
        'Matched by its external id: Resource "Apollo", internal id N. The mapping has it as Synced '
        "(synchronised), created by this sync,",
        "first synchronised TIME, last TIME.",
        'Differs: ResourceName "Apollo" → "Soyuz" (the space\'s name).',
    ]


def test_a_sentence_begins_with_the_key_and_what_will_happen() -> None:
    rig = synced()
    del rig.source.spaces[100]

    assert answer_sentence(why(rig, "wp:room:100")).startswith(
        'wp:room:100: Resource "Apollo": A run that applies will delete it (gone from the source). '
    )


def test_what_is_too_long_is_cut_with_an_ellipsis() -> None:
    assert answer_lines(LONG)[-1].endswith("…")
    assert answer_sentence(LONG).endswith("…")
