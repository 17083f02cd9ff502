import threading

import pytest

from fleckcore.detection.parallel import parallel_map


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_results_keep_their_order_and_no_thread_is_counted_twice(threads):
    found = parallel_map(lambda item, own: (2 * item, own), range(5), threads)
    assert [double for double, _ in found] == [0, 2, 4, 6, 8]
    assert all(1 <= own * min(threads, 5) <= threads for _, own in found)


def test_work_goes_on_side_by_side():
    both = threading.Barrier(2, timeout=30)
    assert sorted(parallel_map(lambda item, own: both.wait(), range(2), 2)) == [0, 1]


def test_nothing_to_do_and_what_goes_wrong():
    assert parallel_map(lambda item, own: item, [], 2) == []
    with pytest.raises(ZeroDivisionError):
        parallel_map(lambda item, own: 1 / item, [1, 0], 2)
