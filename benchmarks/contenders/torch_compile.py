"""PyTorch, compiled: torch.compile over network and loss, and over the optimizer's step."""

from __future__ import annotations

from collections.abc import Sequence
from shutil import which
from typing import Any

from contenders.torch_eager import Step, network_of, steps_of, train_table
from task import CannotRunError, Pair, Problem, Steps, Task


def prepare(task: Task) -> Steps:
    return steps_of(task, _step_function(task.problem, task.parameters)[0])


def whole(task: Task) -> None:
    train_table(task, _step_function)


def _step_function(problem: Problem, parameters: Sequence[Pair]) -> tuple[Step, Any]:
    import torch

    if which("c++") is None and which("g++") is None:
        raise CannotRunError("torch.compile needs a C++ compiler")
    network, loss_of, optimizer = network_of(problem, parameters)
    compiled_loss = torch.compile(lambda x, t: loss_of(network(x), t))
    update = torch.compile(optimizer.step)

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = compiled_loss(x, t)
        loss.backward()
        update()
        return loss.detach()

    return step, network
