"""The process before the command line is loaded."""

import sys
from collections.abc import Sequence
from types import ModuleType

import pytest

from engage_sync.__main__ import main


class CtrlC:
    """Ctrl-C while the command line is looked for."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> None:
        if name == "engage_sync.cli":
            raise KeyboardInterrupt


def test_ctrl_c_while_loading_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "engage_sync.cli", raising=False)
    monkeypatch.setattr(sys, "meta_path", [CtrlC(), *sys.meta_path])

    with pytest.raises(SystemExit) as ended:
        main()

    assert ended.value.code == 130
    assert capsys.readouterr().err == "engage-sync: interrupted; nothing was begun\n"
