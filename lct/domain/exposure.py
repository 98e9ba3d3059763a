"""Exposure: how much is at risk in the positions of an account, and how that is spread; figures, never money."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import fsum, sqrt
from statistics import NormalDist

import msgspec

RETURNS_MIN = 100
"""Returns of which a tail can be spoken at all."""


class Holding(msgspec.Struct, frozen=True):
    """One position at its mark: `value` in quote, negative when short."""

    book: str
    symbol: str
    value: float


class Tail(msgspec.Struct, frozen=True):
    """What may be lost over `horizon_bars` at a confidence, in quote and positive, by two methods; None: not known.

    Historical: the loss that the last returns of these positions would have exceeded in 1 - confidence of all bars
    (value at risk), and the mean of the losses from there on (expected shortfall, Acerbi and Tasche 2002). Parametric:
    the same of a normal distribution with the variance that w'Cw gives (variance-covariance; Jorion, Value at Risk, ch.
    7), mean zero. Both scale with the root of the horizon.
    """

    confidence: float
    horizon_bars: int
    returns: int
    historical_var: float | None
    historical_shortfall: float | None
    parametric_var: float | None
    parametric_shortfall: float | None
    reason: str = ""


class Spread(msgspec.Struct, frozen=True):
    """How exposure is spread: gross and net, by symbol and book, and the Herfindahl-Hirschman index of gross weights.

    The index is 1 where all is in one symbol, 1/n where n are equal, and None where nothing is held.
    """

    gross: float
    net: float
    by_symbol: dict[str, float]
    by_book: dict[str, float]
    concentration: float | None


def spread(holdings: Sequence[Holding]) -> Spread:
    """Return how positions are spread."""
    by_symbol: dict[str, float] = {}
    by_book: dict[str, float] = {}
    for one in holdings:
        by_symbol[one.symbol] = by_symbol.get(one.symbol, 0.0) + one.value
        by_book[one.book] = by_book.get(one.book, 0.0) + abs(one.value)
    gross = fsum(abs(one.value) for one in holdings)
    sizes = [abs(value) for value in by_symbol.values()]
    whole = fsum(sizes)
    concentration = fsum((size / whole) ** 2 for size in sizes) if whole else None
    return Spread(gross, fsum(one.value for one in holdings), by_symbol, by_book, concentration)


def returns(closes: Sequence[float]) -> list[float]:
    """Return the simple returns from close to close."""
    return [after / before - 1.0 for before, after in pairwise(closes)]


def tail(
    values: Mapping[str, float], moves: Mapping[str, Sequence[float]], confidence: float, horizon_bars: int
) -> Tail:
    """Return what the positions `values` (quote, by symbol) may lose, by their returns `moves` of the same bars."""
    held = sorted(symbol for symbol, value in values.items() if value)
    missing = [symbol for symbol in held if len(moves.get(symbol, ())) < RETURNS_MIN]
    count = min((len(moves.get(symbol, ())) for symbol in held), default=0)
    is_asked_well = 0.5 <= confidence < 1.0 and horizon_bars >= 1
    if not held or missing or not is_asked_well:
        why = f"fewer than {RETURNS_MIN} returns of {', '.join(missing)}" if missing else "nothing is held"
        if not is_asked_well:
            why = f"a confidence of {confidence:g} over {horizon_bars} bars cannot be spoken of"
        return Tail(confidence, horizon_bars, count, None, None, None, None, why)
    scale = sqrt(horizon_bars)
    results = [fsum(values[symbol] * moves[symbol][-count + i] for symbol in held) for i in range(count)]
    losses = sorted((-result for result in results), reverse=True)
    worst = losses[: max(1, int(count * (1.0 - confidence)))]
    deviation = sqrt(max(0.0, _variance([values[s] for s in held], [moves[s][-count:] for s in held])))
    normal = NormalDist()
    quantile = normal.inv_cdf(confidence)
    return Tail(
        confidence,
        horizon_bars,
        count,
        max(0.0, worst[-1]) * scale,
        max(0.0, fsum(worst) / len(worst)) * scale,
        quantile * deviation * scale,
        normal.pdf(quantile) / (1.0 - confidence) * deviation * scale,
    )


def _variance(weights: Sequence[float], moves: Sequence[Sequence[float]]) -> float:
    return fsum(
        one * other * covariance(a, b)
        for one, a in zip(weights, moves, strict=True)
        for other, b in zip(weights, moves, strict=True)
    )


def covariance(a: Sequence[float], b: Sequence[float]) -> float:
    """Return the sample covariance of two series of the same length, about their means."""
    n = len(a)
    mean_a, mean_b = fsum(a) / n, fsum(b) / n
    return fsum((x - mean_a) * (y - mean_b) for x, y in zip(a, b, strict=True)) / (n - 1)


def correlation(a: Sequence[float], b: Sequence[float]) -> float | None:
    """Return Pearson's correlation of the last bars of both; None where one stands still, or there are too few."""
    n = min(len(a), len(b))
    if n < RETURNS_MIN:
        return None
    a, b = a[-n:], b[-n:]
    spread_ = sqrt(covariance(a, a) * covariance(b, b))
    return covariance(a, b) / spread_ if spread_ > 0.0 else None
