"""Work spread over threads: all of it is done, errors end it, and the caller's threads stay."""

import faiss
import pytest

from nsl_tfx.graph.search.parallel import run_all


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


@pytest.mark.parametrize("threads", [1, 3])
def test_the_callers_number_of_threads_is_restored(threads):
    before = faiss.omp_get_max_threads()
    try:
        faiss.omp_set_num_threads(5)
        run_all(lambda item: faiss.omp_set_num_threads(1), range(4), threads)
        assert faiss.omp_get_max_threads() == 5
    finally:
        faiss.omp_set_num_threads(before)
