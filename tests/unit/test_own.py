"""Objects that are lent to a registry."""

from __future__ import annotations

import threading

import pytest

from qkd_qiskit.own import OwnObjects


def test_what_is_lent_is_there_within_the_block_alone():
    objects: OwnObjects[int] = OwnObjects("numbers")
    assert dict(objects.all()) == {}
    with objects.lent({"one": 1}):
        with objects.lent({"two": 2, "one": 11}):
            assert objects.all() == {"one": 11, "two": 2}
        assert objects.all() == {"one": 1}
    assert dict(objects.all()) == {}


def test_an_error_ends_the_loan_and_other_threads_see_nothing():
    objects: OwnObjects[int] = OwnObjects("numbers")
    seen = []

    def fail():
        thread = threading.Thread(target=lambda: seen.append(dict(objects.all())))
        thread.start()
        thread.join()
        raise RuntimeError("inside")

    with pytest.raises(RuntimeError, match="inside"), objects.lent({"one": 1}):
        fail()
    assert seen == [{}]
    assert dict(objects.all()) == {}
