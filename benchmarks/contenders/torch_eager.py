"""PyTorch's eager mode: the usual loop, with the optimizer's fused kernel, which is the fastest that it has here.

Where TORCH_FUSED is 0 in the environment, the optimizer is as PyTorch makes it for whoever says nothing more.
Everything lies on the GPU where there is one. The losses of a call stay tensors and are read once, at its end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from task import BETA1, BETA2, EPSILON, Pair, Problem, Steps, Task

Step: TypeAlias = Callable[[Any, Any], Any]


def prepare(task: Task) -> Steps:
    return steps_of(task, step_function(task.problem, task.parameters)[0])


def whole(task: Task) -> None:
    train_table(task, step_function)


def step_function(problem: Problem, parameters: Sequence[Pair]) -> tuple[Step, Any]:
    """What takes one step and gives its loss, a tensor; and the network that it trains."""
    network, loss_of, optimizer = network_of(problem, parameters)

    def step(x: Any, t: Any) -> Any:
        optimizer.zero_grad()
        loss = loss_of(network(x), t)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return step, network


def steps_of(task: Task, step: Step) -> Steps:
    """The loop over batches in memory."""
    import torch

    batches = [(on_device(x), _target(task.problem, t)) for x, t in task.batches]

    def steps(count: int) -> float:
        return float(torch.stack([step(*batches[i % len(batches)]) for i in range(count)]).mean())

    return steps


def train_table(task: Task, make: Callable[..., tuple[Step, Any]]) -> None:
    """The program of a user: read, train, save."""
    import torch

    from contenders.reading import print_epoch, read

    assert task.table is not None
    problem, table = task.problem, task.table
    x, t = (on_device(each) for each in read(task))
    step, network = make(problem, task.parameters)
    for _ in range(table.epochs):
        total = x.new_zeros(())
        for rows in torch.randperm(len(x), device=x.device).split(problem.batch):
            total += step(x[rows], t[rows]) * len(rows)
        print_epoch(total / len(x))
    torch.save(network.state_dict(), Path(table.path).with_name("torch.pt"))


def on_device(array: Any) -> Any:
    """An array as a tensor on the GPU, or on the processor where there is none."""
    import torch

    return torch.from_numpy(array).to("cuda" if torch.cuda.is_available() else "cpu")


def _target(problem: Problem, t: Any) -> Any:
    return on_device(t.argmax(axis=1) if problem.output == "softmax" else t)


def network_of(problem: Problem, parameters: Sequence[Pair]) -> tuple[Any, Callable[..., Any], Any]:
    """The module up to the link that its loss brings along, the loss, and the optimizer."""
    import torch
    from torch.nn import functional

    torch.set_num_threads(problem.threads)
    stages: list[Any] = []
    for kernel, bias in parameters:
        weight, offset = on_device(kernel.T.copy()), on_device(bias.copy())
        linear = torch.nn.Linear(*kernel.shape, device=weight.device, dtype=weight.dtype)
        with torch.no_grad():
            linear.weight.copy_(weight)
            linear.bias.copy_(offset)
        stages += [linear, torch.nn.ReLU()]
    stages.pop()
    if (problem.output, problem.loss) == ("sigmoid", "half_squared_error"):
        stages.append(torch.nn.Sigmoid())
    network = torch.nn.Sequential(*stages)

    def half_squared_error(y: Any, t: Any) -> Any:
        return 0.5 * ((y - t) ** 2).sum() / len(y)

    losses = {
        "half_squared_error": half_squared_error,
        "cross_entropy": functional.cross_entropy,
        "binary_cross_entropy": functional.binary_cross_entropy_with_logits,
    }
    options: dict[str, Any] = {} if os.environ.get("TORCH_FUSED") == "0" else {"fused": True}
    if problem.optimizer == "adam":
        options |= {"betas": (BETA1, BETA2), "eps": EPSILON}
    make = torch.optim.Adam if problem.optimizer == "adam" else torch.optim.SGD
    optimizer = make(network.parameters(), lr=problem.learning_rate, **options)
    return network, losses[problem.loss], optimizer
