"""Batches that a thread makes ahead are the very ones that are asked for."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from gantools.core import AdversarialTrainer
from gantools.core.batches import Ahead, Order, made_ahead
from gantools.core.game import Batch
from gantools.errors import DataError
from tests.core.test_trainer import batches, game, weights_of


@pytest.mark.filterwarnings("ignore::gantools.core.health.HealthWarning")
def test_a_training_whose_batches_are_made_ahead_ends_in_the_very_same_weights() -> None:
    trainer = AdversarialTrainer(balance="watch")  # whose looks ask for batches of before
    plain = trainer.train(game(), batches, max_images=800, seed=3)
    with ThreadPoolExecutor(1) as thread:
        ahead = trainer.train(game(), Ahead(batches, thread), max_images=800, seed=3)
    assert torch.equal(weights_of(plain), weights_of(ahead))
    assert plain.history["health_coverage"].notna().any()
    assert plain.history["health_coverage"].equals(ahead.history["health_coverage"])


def test_the_next_batch_is_made_before_it_is_asked_for_and_none_twice() -> None:
    made: list[int] = []
    second = threading.Event()

    def of_step(step: int) -> Batch:
        made.append(step)
        if step == 1:
            second.set()
        return {"reals": torch.full((2, 1), float(step))}

    with ThreadPoolExecutor(1) as thread:
        ahead = Ahead(of_step, thread)
        assert ahead(0)["reals"][0] == 0
        assert second.wait(10)
        assert [float(ahead(step)["reals"][0]) for step in (1, 2, 0, 1, 3)] == [1, 2, 0, 1, 3]
    assert made == [0, 1, 2, 3, 0, 1, 4]


def test_what_goes_wrong_in_the_thread_is_told_when_that_batch_is_asked_for() -> None:
    def of_step(step: int) -> Batch:
        if step == 1:
            raise DataError("picture 7 is gone")
        return {"reals": torch.zeros(2, 1)}

    with ThreadPoolExecutor(1) as thread:
        ahead = Ahead(of_step, thread)
        ahead(0)
        with pytest.raises(DataError, match="picture 7"):
            ahead(1)


def test_a_cpu_makes_its_batches_itself() -> None:
    with made_ahead(batches, torch.device("cpu")) as same:
        assert same is batches


def test_an_order_asked_by_many_threads_gives_each_its_own() -> None:
    order = Order(50, 10, seed=0)
    steps = [int(s) for s in np.random.default_rng(0).integers(0, 500, 2000)]
    wanted = [Order(50, 10, seed=0).indices(step).tolist() for step in steps]
    with ThreadPoolExecutor(8) as threads:
        assert [found.tolist() for found in threads.map(order.indices, steps)] == wanted
