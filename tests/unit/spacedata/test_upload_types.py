from pathlib import Path

import pytest

from engage_sync.spacedata.type_groups import read_type_groups
from reconcilers.errors import ConfigError


def written(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "types.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_types_and_their_groups_are_read(tmp_path: Path, mark: str, encoding: str) -> None:
    text = "Type,Group\r\n Büro ,me\r\nConference  Room,We Spaces\r\n\r\nStore,NONE\r\n".replace(",", mark)
    assert read_type_groups(written(tmp_path, text, encoding)) == {
        "Büro": "Me Spaces", "Conference Room": "We Spaces", "Store": "None",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", 'line 1: the header is not "type,group"'),
        ("Desk,Me\n", 'line 1: the header is not "type,group"'),
        ("type,group\nDesk,Us\n", 'line 2: the group of "Desk" is neither We, Me nor None'),
        ("type,group\nDesk\n", 'line 2: the group of "Desk" is neither We, Me nor None'),
        ("type,group\n,Me\n", "line 2: there is no space type"),
        ("type,group\nDesk,Me\nDesk,We\n", 'line 3: "Desk" is there already with another group'),
        ('type,group\n"Desk,Me\n', "is no CSV"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_type_groups(written(tmp_path, text))
    assert said in caught.value.message
    assert "; " in caught.value.message


def test_another_encoding_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="save it as CSV UTF-8"):
        read_type_groups(written(tmp_path, "type,group\nBüro,Me\n", "latin-1"))
