"""The ledger: nothing comes from nowhere."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lct.domain.ledger import COUNTERPARTIES, Ledger, Posting, book_account, deposit, fill_postings, sums
from lct.domain.money import ZERO, use_money_context
from lct.domain.orders import Side

Fill = tuple[str, str, Side, Decimal, Decimal, Decimal, str]


@pytest.fixture(autouse=True, scope="module")
def _money() -> None:
    use_money_context()


def d(text: str) -> Decimal:
    return Decimal(text)


def decimals(low: int, high: int, places: int) -> st.SearchStrategy[Decimal]:
    return st.integers(low, high).map(lambda n: Decimal(n).scaleb(-places))


FILLS = st.lists(
    st.tuples(
        st.sampled_from(["fused", "grid"]),
        st.sampled_from(["BTC/USDT", "ETH/USDT", "ETH/BTC"]),
        st.sampled_from(list(Side)),
        decimals(10**6, 10**10, 8),
        decimals(1, 10**11, 6),
        decimals(-(10**4), 10**5, 8),
        st.sampled_from(["USDT", "BTC", "ETH", "BNB"]),
    ),
    max_size=20,
)


def filled(fills: list[Fill]) -> Ledger:
    ledger = Ledger()
    ledger.post(deposit("USDT", d("10000")))
    for i, fill in enumerate(fills):
        ledger.fill(*fill, i + 1)
    return ledger


def test_a_purchase_turns_deposits_into_coins() -> None:
    ledger = filled([("fused", "BTC/USDT", Side.BUY, d("0.1"), d("60000"), d("6"), "USDT")])

    assert ledger.total("USDT") == 3994
    assert ledger.total("BTC") == ledger.held("BTC/USDT") == d("0.1")
    assert ledger.balance(book_account("fused"), "USDT") == -6006
    assert ledger.balance("fees", "USDT") == 6
    assert ledger.position("fused", "BTC/USDT").fees == 6


def test_a_withdrawal_is_a_deposit_below_zero() -> None:
    ledger = filled([])

    ledger.post(deposit("USDT", d("-4000")))

    assert ledger.total("USDT") == 6000


def test_each_book_owns_its_lots() -> None:
    ledger = filled(
        [
            ("fused", "BTC/USDT", Side.BUY, d("2"), d("100"), ZERO, "USDT"),
            ("grid", "BTC/USDT", Side.BUY, d("1"), d("200"), ZERO, "USDT"),
        ]
    )

    closed = ledger.fill("grid", "BTC/USDT", Side.SELL, d("1"), d("210"), ZERO, "USDT", 9)

    assert closed is not None
    assert closed.profit == 10
    assert ledger.held("BTC/USDT") == ledger.position("fused", "BTC/USDT").amount == 2
    assert ledger.position("nobody", "BTC/USDT").amount == 0


def test_a_fee_in_base_makes_the_position_smaller_and_counts_at_the_price() -> None:
    ledger = filled([("fused", "BTC/USDT", Side.BUY, d("1"), d("100"), d("0.001"), "BTC")])

    position = ledger.position("fused", "BTC/USDT")
    assert position.amount == ledger.total("BTC") == d("0.999")
    assert position.fees == d("0.1")
    assert position.realized - position.cost - position.fees == -100


def test_a_fee_in_a_third_asset_is_posted_there() -> None:
    ledger = filled([("fused", "BTC/USDT", Side.BUY, d("1"), d("100"), d("0.02"), "BNB")])

    assert ledger.total("BNB") == d("-0.02")
    assert ledger.position("fused", "BTC/USDT").fees == 0


def test_an_entry_that_does_not_balance_is_a_bug() -> None:
    with pytest.raises(AssertionError, match="does not balance"):
        Ledger().post([Posting("deposits", "USDT", d("1"))])


def test_asking_for_a_balance_leaves_no_trace() -> None:
    ledger = Ledger()

    assert ledger.balance("deposits", "USDT") == ledger.total("USDT") == ledger.held("BTC/USDT") == 0
    assert not ledger.balances


@pytest.mark.parametrize(("amount", "price"), [("0", "1"), ("-1", "1"), ("1", "0"), ("1", "-1")])
def test_a_fill_of_nothing_or_for_nothing_is_a_bug(amount: str, price: str) -> None:
    with pytest.raises(AssertionError):
        Ledger().fill("fused", "BTC/USDT", Side.BUY, d(amount), d(price), ZERO, "USDT", 1)


@given(fills=FILLS)
def test_every_entry_sums_to_zero_per_asset(fills: list[Fill]) -> None:
    for book, symbol, side, amount, price, fee, fee_asset in fills:
        base, quote = symbol.split("/")
        postings = fill_postings(book, base, quote, side, amount, price, fee, fee_asset)

        assert not any(sums(postings).values())


@given(fills=FILLS)
def test_the_trial_balance_is_always_zero(fills: list[Fill]) -> None:
    assert not any(filled(fills).trial_balance().values())


@given(fills=FILLS)
def test_what_is_ours_is_the_sum_of_all_accounts_that_are_not_counterparties(fills: list[Fill]) -> None:
    ledger = filled(fills)

    for asset in ("USDT", "BTC", "ETH", "BNB"):
        ours = [v for (account, a), v in ledger.balances.items() if a == asset and account not in COUNTERPARTIES]
        assert ledger.total(asset) == sum(ours, ZERO)


@given(fills=FILLS)
def test_held_is_the_sum_over_books(fills: list[Fill]) -> None:
    ledger = filled(fills)

    for symbol in ("BTC/USDT", "ETH/USDT", "ETH/BTC"):
        assert ledger.held(symbol) == sum((ledger.position(book, symbol).amount for book in ("fused", "grid")), ZERO)


@given(fills=FILLS)
def test_cash_is_deposits_and_what_the_positions_moved(fills: list[Fill]) -> None:
    fills = [(*fill[:6], "USDT") for fill in fills if fill[1].endswith("USDT")]
    ledger = filled(fills)

    moved = sum((p.realized - p.cost - p.fees for p in ledger.positions.values()), ZERO)
    assert ledger.total("USDT") == 10000 + moved


@given(fills=FILLS, data=st.data())
def test_the_balances_do_not_depend_on_the_order_of_the_fills(fills: list[Fill], data: st.DataObject) -> None:
    assert filled(fills).balances == filled(data.draw(st.permutations(fills))).balances
