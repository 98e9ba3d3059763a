"""Charts: what is drawn stands where its price is."""

import pytest

from lct.cli.charting import Candle, chart


def drawn(candles: list[Candle], height: int = 11) -> list[str]:
    return [line.plain[: len(candles)] for line in chart(candles, height)]


def test_a_body_is_thin_where_the_bar_rose_and_full_where_it_fell_with_wicks_beyond_it() -> None:
    rose, fell = Candle(10, 40, 0, 30, 1), Candle(30, 40, 0, 10, 1)
    lines = drawn([rose, fell])
    prices = lines[:8]

    assert "".join(line[0] for line in prices) == "││┃┃┃┃││"
    assert "".join(line[1] for line in prices) == "││████││"


def test_a_bar_without_a_body_is_a_dash_and_a_market_that_stands_still_can_be_drawn() -> None:
    assert "".join(drawn([Candle(10, 10, 0, 10, 1)])[:8]).strip() == "─│││││││"
    assert "".join(drawn([Candle(0, 10, 0, 0, 1)])[:8]).strip() == "│││││││┴"
    assert "".join(drawn([Candle(5, 5, 5, 5, 0)] * 3)).strip()


def test_the_volume_is_in_eighths_of_a_line_and_the_largest_fills_its_lines() -> None:
    lines = drawn([Candle(1, 2, 1, 2, volume) for volume in (0.0, 2.0, 4.0)], height=10)

    assert [line[0] for line in lines[-2:]] == [" ", " "]
    assert [line[1] for line in lines[-2:]] == [" ", "█"]
    assert [line[2] for line in lines[-2:]] == ["█", "█"]


@pytest.mark.parametrize("price", [1e-9, 0.5, 40_000.0, 1e14])
def test_prices_of_any_size_are_told_apart(price: float) -> None:
    lines = chart([Candle(price, price * 1.01, price * 0.99, price, 1.0)], 20)
    labels = [line.plain[1:].strip() for line in lines[:15] if line.plain[1:].strip()]

    assert len(set(labels)) == len(labels) >= 4


@pytest.mark.parametrize("height", [6, 7, 40])
def test_a_chart_is_as_high_as_it_was_asked_to_be(height: int) -> None:
    assert len(chart([Candle(1, 2, 1, 2, 3)] * 5, height)) == height
