from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from retrieval.tokens import minibatches


def test_batches_hold_as_many_items_as_fit_padded():
    assert list(minibatches([9, 8, 5, 4, 3, 30, 1], int, 18)) == [[9, 8], [5, 4, 3], [30], [1]]
    assert list(minibatches([], int, 18)) == []


@given(st.lists(st.integers(1, 50)), st.integers(1, 100))
def test_no_item_is_lost_and_no_batch_is_over_the_budget_or_could_have_taken_the_next_item(sizes, budget):
    made = list(minibatches(sizes, int, budget))
    assert [size for batch in made for size in batch] == sizes
    assert all(len(batch) == 1 or max(batch) * len(batch) <= budget for batch in made)
    assert all(max([*one, following[0]]) * (len(one) + 1) > budget for one, following in pairwise(made))
