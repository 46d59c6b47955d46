"""Limits on seconds and money, and what was used beside what was estimated."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qkd_qiskit.errors import SubmissionError
from qkd_qiskit.runtime import SpendingLimit, spent
from qkd_qiskit.runtime.spending import estimated_seconds
from qkd_qiskit.services import limit_spending


@given(
    seconds=st.floats(0, 1e6),
    used=st.floats(0, 1e6),
    price=st.floats(0, 100),
    most=st.integers(1, 10**6),
    money=st.floats(0, 1e7),
)
def test_what_exceeds_a_limit_is_refused_and_nothing_else(seconds, used, price, most, money):
    limit = SpendingLimit(most, price, money)
    within = seconds + used <= most and (seconds + used) * price <= money
    try:
        limit.check(seconds, used=used)
    except SubmissionError:
        assert not within
    else:
        assert within


def test_refusals_name_the_limit():
    with pytest.raises(SubmissionError, match="estimate of 13 quantum seconds exceeds --max-seconds 12"):
        SpendingLimit(12).check(12.6)
    with pytest.raises(SubmissionError, match="beside the 3.0 already used exceeds --max-seconds 12"):
        SpendingLimit(12).check(10, used=3)
    with pytest.raises(SubmissionError, match="10.0 quantum seconds, 16.00 in money, exceeds --max-price 15"):
        SpendingLimit(None, 1.6, 15).check(10)
    SpendingLimit().check(1e12)


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf")])
def test_prices_are_numbers(number):
    with pytest.raises(SubmissionError, match="--price-per-second: expected a number of at least 0, found"):
        SpendingLimit(None, number)
    with pytest.raises(SubmissionError, match="--max-price: expected a number of at least 0, found"):
        SpendingLimit(None, 1.0, number)


def test_a_most_price_needs_a_price():
    with pytest.raises(SubmissionError, match="--max-price needs --price-per-second"):
        SpendingLimit(None, None, 5.0)
    assert SpendingLimit().price(5) is None
    assert SpendingLimit(None, 2.0).price(None) is None
    assert SpendingLimit(None, 2.0).price(5) == 10


def test_used_seconds_stand_beside_the_estimate_and_count_jobs_that_were_sent_again(bench):
    bench.submission.settings["estimate"] = {"seconds": 14.0}
    with bench.open() as ledger:
        (submission,) = ledger.submissions()
        batches = ledger.batches(submission.id)
        assert [estimated_seconds(submission, batch) for batch in batches] == [4.0, 4.0, 4.0, 2.0]
        before = spent(ledger, submission)
        assert (before.estimated, before.open, before.used, before.former) == (14.0, 14.0, None, 0.0)
        client = bench.client(status="CANCELLED - RAN TOO LONG")
        runner = bench.runner(ledger, client)
        runner.submit()
        runner.collect()
        assert spent(ledger, submission).used == 6.0
        client.status = "DONE"
        runner.retry()
        again = spent(ledger, submission)
        assert (again.open, again.used, again.former) == (14.0, 6.0, 6.0)
        runner.submit()
        runner.collect()
        after = spent(ledger, submission)
        assert (after.open, after.used, after.former) == (0.0, 12.0, 6.0)


def test_an_estimate_that_was_never_stored_is_none(bench):
    with bench.open() as ledger:
        (submission,) = ledger.submissions()
        assert spent(ledger, submission).estimated is None
        assert estimated_seconds(submission, ledger.batches(submission.id)[0]) is None


def test_changed_limits_are_stored(bench):
    with bench.open() as ledger:
        (submission,) = ledger.submissions()
        kept = limit_spending(ledger, submission, {"max_seconds": None, "price_per_second": 1.5})
        assert kept == SpendingLimit(60, 1.5)
        with pytest.raises(SubmissionError, match="--max-price: expected a number"):
            limit_spending(ledger, submission, {"max_price": -1.0})
    with bench.open() as ledger:
        assert SpendingLimit.of(ledger.submissions()[0].settings) == SpendingLimit(60, 1.5)
