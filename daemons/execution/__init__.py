"""Execution: the only one that sends orders; its gate approves, its journal remembers, and it places the protection."""

from daemons.execution.daemon import SIMULATED, Config, Execution, Identity

__all__ = ["SIMULATED", "Config", "Execution", "Identity"]
