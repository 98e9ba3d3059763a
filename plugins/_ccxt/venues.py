"""What is known of single venues and ccxt does not tell."""

TRIED = ("binance", "bybit", "coinbase", "kraken", "kucoin", "okx")
"""Whose configurations the tests make."""
HISTORY_MAX = {"kraken": 720}
"""Venues that give their last bars only, however far back they are asked (Kraken's API reference, `GetOHLCData`)."""
PAGE_DEFAULT = 100
"""Bars of a page where ccxt does not tell how many a venue gives."""
