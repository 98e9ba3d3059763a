"""What the tests of the supervisor share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from lct.supervisor import Supervisor
from tests.supervisor.troupe import settings, supervised


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home that does not exist yet."""
    monkeypatch.setenv("LCT_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def supervisor(home: Path, tmp_path: Path) -> Iterator[Supervisor]:
    """The supervisor of a home whose daemons are stand-ins."""
    with supervised(home, settings(tmp_path)) as made:
        yield made
