"""Strategy engine: has opinions on bars and nothing else: no keys, no orders, no positions."""

from daemons.strategy_engine.daemon import Config, StrategyEngine
from daemons.strategy_engine.opinions import LooksAhead, StrategyFailed, UnsoundScores

__all__ = ["Config", "LooksAhead", "StrategyEngine", "StrategyFailed", "UnsoundScores"]
