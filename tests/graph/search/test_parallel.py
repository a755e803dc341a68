"""Work spread over threads: all of it is done, errors end it, and the caller's threads stay."""

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from nsl_tfx.graph.search.parallel import products_on_one_thread, run_all


@pytest.mark.parametrize("threads", [1, 3])
def test_every_item_is_worked_on_once(threads):
    done = []
    run_all(done.append, range(20), threads)
    assert sorted(done) == list(range(20))


@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_error_ends_it(threads):
    def fail(item):
        raise KeyError(item)

    with pytest.raises(KeyError):
        run_all(fail, iter(range(1000)), threads)


def product_threads() -> set[int]:
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.mark.parametrize("threads", [1, 3])
def test_products_stay_on_their_thread_and_the_callers_number_is_restored(threads):
    inside = []
    with threadpool_limits(2, user_api="blas"):
        before = product_threads()
        run_all(lambda item: inside.append(product_threads()), range(4), threads)
        assert product_threads() == before
    assert inside == [{1}] * 4


def test_the_limit_holds_until_the_last_of_several_ends():
    with threadpool_limits(2, user_api="blas"):
        before = product_threads()
        first, second = products_on_one_thread(), products_on_one_thread()
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        assert product_threads() == {1}
        second.__exit__(None, None, None)
        assert product_threads() == before
