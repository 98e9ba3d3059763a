"""A home with a short path, for a socket's path may not be long."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lct.bus.presence import socket_folder


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="lct") as folder:
        yield Path(folder)


@pytest.fixture
def folder(home: Path) -> Path:
    return socket_folder(home)
