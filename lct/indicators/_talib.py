"""TA-Lib, loaded at first use and without pandas."""

import sys
from functools import cache
from importlib import import_module
from typing import Any

# talib imports these to accept their series, which costs 1.2 s and 90 MB and serves nobody here
UNWANTED = ("pandas", "polars")


@cache
def talib() -> Any:
    """Return TA-Lib's functions over numpy arrays; pandas is kept out if nobody has loaded it before."""
    blocked = [name for name in UNWANTED if name not in sys.modules]
    for name in blocked:
        sys.modules[name] = None  # type: ignore[assignment]
    try:
        return import_module("talib._ta_lib")
    finally:
        for name in blocked:
            del sys.modules[name]
