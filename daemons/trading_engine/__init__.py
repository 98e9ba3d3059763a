"""Trading engine: turns scores into proposals: when to enter, how much, when to leave."""

from daemons.trading_engine.daemon import TradingEngine
from daemons.trading_engine.entries import PROPOSAL_NS
from daemons.trading_engine.holdings import Config, Holding

__all__ = ["PROPOSAL_NS", "Config", "Holding", "TradingEngine"]
