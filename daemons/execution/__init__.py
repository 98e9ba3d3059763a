"""Execution: the only one that sends orders; its gate approves, its journal remembers, and it places the protection."""

from daemons.execution.config import SIMULATED, Config
from daemons.execution.daemon import Execution
from daemons.execution.desk import Identity

__all__ = ["SIMULATED", "Config", "Execution", "Identity"]
