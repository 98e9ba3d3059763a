"""How the dashboard looks at three sizes; `pytest tests/tui --snapshot-update` takes the pictures anew."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.tui.scene import Stage, settled

Compare = Callable[..., bool]


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 50)], ids=["80x24", "120x40", "200x50"])
def test_the_dashboard_looks_as_it_did(
    size: tuple[int, int], snap_compare: Compare, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the widest one the daemon of the signals is down, and its figures are old."""
    monkeypatch.delenv("NO_COLOR", raising=False)  # a picture without colours is another one
    stage = Stage()
    stage.watcher.look()
    if size[0] == 200:
        stage.house.kill("strategy_engine")
        stage.clock.move(12)
        stage.watcher.look()

    assert snap_compare(stage.app, terminal_size=size, run_before=settled)


def test_the_picture_in_the_documentation_loads_nothing_from_elsewhere() -> None:
    """A browser that shows the README asks nobody for fonts."""
    picture = (Path(__file__).parents[2] / "docs" / "tui.svg").read_text(encoding="utf-8")

    assert "url(http" not in picture.replace('"', "")
    assert "@import" not in picture
