"""The processes of one training, under torchrun: who this one is, and the few things that they tell each other.

Each process plays its part of every batch; before a player moves, one flat sum makes their gradients one. Everything
else that must agree (the clock, the players' health, whether to stop) goes by the first process. torch.distributed
does the talking: gloo between CPUs, nccl between GPUs.
"""

from __future__ import annotations

import atexit
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from gantools import processes
from gantools.errors import ConfigError, GantoolsError

_PATIENCE = timedelta(minutes=30)


@dataclass(frozen=True)
class World:
    """All processes of one training.

    Attributes
    ----------
    rank : int
        This one's number, from 0: the first, which writes what there is to write.
    size : int
        How many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def mean(self, tensors: Sequence[Tensor]) -> int:
        """Put into each of `tensors` its mean over all processes, by one sum of all of them laid end to end.

        Returns
        -------
        int
            Bytes that this process gave into the sum.

        Raises
        ------
        GantoolsError
            When another process is gone.
        """
        if self.size == 1 or not tensors:
            return 0
        flat = torch.cat([t.detach().flatten() for t in tensors])
        _told(lambda: dist.all_reduce(flat))
        flat /= self.size
        at = 0
        for t in tensors:
            t.detach().copy_(flat[at : at + t.numel()].view_as(t))
            at += t.numel()
        return flat.numel() * flat.element_size()

    def share(self, things: Sequence[Any]) -> Sequence[Any]:
        """This process's of some things: every so manieth."""
        return things[self.rank :: self.size]

    def of_first(self, values: Sequence[float]) -> list[float]:
        """The first process's `values`."""
        if self.size == 1:
            return list(values)
        told = torch.tensor(values, dtype=torch.float64)
        _told(lambda: dist.broadcast(told, 0))
        found: list[float] = told.tolist()
        return found

    def most(self, values: Sequence[float]) -> list[float]:
        """The largest of all processes' `values`, one by one."""
        if self.size == 1:
            return list(values)
        told = torch.tensor(values, dtype=torch.float64)
        _told(lambda: dist.all_reduce(told, dist.ReduceOp.MAX))
        found: list[float] = told.tolist()
        return found

    def copy_first(self, tensors: Sequence[Tensor]) -> None:
        """Make `tensors` what they are in the first process."""
        if self.size > 1:
            for t in tensors:
                _told(lambda t=t: dist.broadcast(t.detach(), 0))

    def gather(self, thing: Any) -> list[Any]:
        """Every process's `thing`, in the order of their numbers."""
        if self.size == 1:
            return [thing]
        things: list[Any] = [None] * self.size
        _told(lambda: dist.all_gather_object(things, thing))
        return things


def world() -> World:
    """The processes that torchrun started, or this one alone. They are introduced to each other the first time."""
    if processes.count() == 1:
        return World()
    if not dist.is_initialized():
        backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
        dist.init_process_group(backend, timeout=_PATIENCE)
        atexit.register(dist.destroy_process_group)
    elif "gloo" not in dist.get_backend_config(dist.group.WORLD):  # set up by the caller, for GPUs only
        raise ConfigError(
            "torch.distributed was set up without gloo, which processes talk by; leave it to gantools, or call "
            "init_process_group('cpu:gloo,cuda:nccl')"
        )
    return World(dist.get_rank(), dist.get_world_size())


def _told(say: Any) -> None:
    try:
        say()
    except RuntimeError as error:
        why = re.sub(r"^\[\S+\] ", "", str(error).splitlines()[0]).split(". ")[0]  # without a line of C++, or advice
        raise GantoolsError(
            f"another process of this training has ended or does not answer ({why}); start the job again: with "
            "--resume it goes on from its last checkpoint, which is written every minute"
        ) from error
