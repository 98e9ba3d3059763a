"""Errors name what is near, and carry the exit code of the command line."""

from hypothesis import given
from hypothesis import strategies as st

from lct import errors
from lct.errors import nearest


def test_each_error_has_the_exit_code_that_is_documented():
    codes = {
        kind.__name__: kind.exit_code
        for kind in (errors.LctError, *errors.LctError.__subclasses__())
        if kind.__module__ == "lct.errors"
    }

    assert codes == {
        "LctError": 1,
        "ConfigError": 2,
        "NoAnswer": 3,
        "Refused": 4,
        "NotFound": 5,
        "DataError": 1,
        "JournalError": 1,
    }


def test_the_nearest_name_is_offered_whatever_its_case():
    assert nearest("men_reversion", ["grid", "mean_reversion"]).startswith("did you mean 'mean_reversion'? ")
    assert nearest("btc/usdt", ["BTC/USDT", "ETH/USDT"]).startswith("did you mean 'BTC/USDT'? ")


def test_nothing_near_is_not_guessed_at():
    assert nearest("zzz", ["grid"]) == "known: grid"
    assert nearest("zzz", []) == "known: none"


@given(st.text(max_size=20), st.lists(st.text(min_size=1, max_size=8), max_size=40))
def test_a_long_list_is_cut_and_any_text_is_answered(name, known):
    text = nearest(name, known)

    assert "known: " in text
    assert text.endswith(", ...") == (len(known) > errors.LISTED_MAX) or known
