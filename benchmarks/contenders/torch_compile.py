"""PyTorch, compiled: one graph of network, loss, gradient and update in place, by torch.compile.

On a GPU the step is recorded once more, as a CUDA graph, which is launched as one.

A table's last batch, which is smaller, takes the same step in eager mode: a graph for it would take longer to compile.
"""

from __future__ import annotations

from collections.abc import Sequence
from shutil import which
from typing import Any

from contenders.torch_eager import Step, network_of, steps_of, train_table
from task import BETA1, BETA2, EPSILON, CannotRunError, Pair, Problem, Steps, Task


def prepare(task: Task) -> Steps:
    return steps_of(task, _step_function(task.problem, task.parameters)[0])


def whole(task: Task) -> None:
    train_table(task, _step_function)


def _step_function(problem: Problem, parameters: Sequence[Pair]) -> tuple[Step, Any]:
    import torch

    if which("c++") is None and which("g++") is None:
        raise CannotRunError("torch.compile needs a C++ compiler")
    network, loss_of, _ = network_of(problem, parameters)
    weights = {name: each.detach() for name, each in network.named_parameters()}  # the network's own numbers
    m, v = ({name: torch.zeros_like(each) for name, each in weights.items()} for _ in range(2))
    taken = next(iter(weights.values())).new_zeros(())

    def loss_at(weights: Any, x: Any, t: Any) -> Any:
        return loss_of(torch.func.functional_call(network, weights, (x,)), t)

    # `taken` is given back, for a compiled graph that changes it in place mixes up its old and its new value

    def sgd(taken: Any, x: Any, t: Any) -> Any:
        gradient, loss = torch.func.grad_and_value(loss_at)(weights, x, t)
        for name, w in weights.items():
            w.sub_(gradient[name], alpha=problem.learning_rate)
        return taken, loss

    def adam(taken: Any, x: Any, t: Any) -> Any:
        gradient, loss = torch.func.grad_and_value(loss_at)(weights, x, t)
        taken = taken + 1.0
        correction = (1.0 - BETA2**taken).sqrt()
        rate = problem.learning_rate * correction / (1.0 - BETA1**taken)
        for name, w in weights.items():
            m[name].lerp_(gradient[name], 1.0 - BETA1)
            v[name].mul_(BETA2).addcmul_(gradient[name], gradient[name], value=1.0 - BETA2)
            w.sub_(rate * m[name] / (v[name].sqrt() + EPSILON * correction))
        return taken, loss

    update = adam if problem.optimizer == "adam" else sgd
    compiled = torch.compile(update, fullgraph=True, dynamic=False)

    def step(x: Any, t: Any) -> Any:
        nonlocal taken
        after, loss = (compiled if len(x) == problem.batch else update)(taken, x, t)
        taken = taken.copy_(after) if taken.is_cuda else after  # a CUDA graph keeps to its memory
        return loss

    state = [*weights.values(), *m.values(), *v.values(), taken]
    return (_as_graph(step, state, problem.batch) if taken.is_cuda else step), network


def _as_graph(step: Step, state: Sequence[Any], batch: int) -> Step:
    """The step as a CUDA graph for batches of this size, recorded at the first one."""
    import torch

    graph = torch.cuda.CUDAGraph()
    given: list[Any] = []
    loss: Any = None

    def record(x: Any, t: Any) -> None:
        nonlocal loss
        given[:] = x.clone(), t.clone()
        before = [each.clone() for each in state]
        torch.cuda.synchronize()
        with torch.cuda.stream(torch.cuda.Stream()):
            for _ in range(3):  # compiles, and makes what a recording can't
                step(*given)
        torch.cuda.synchronize()
        with torch.cuda.graph(graph):
            loss = step(*given)
        for each, own in zip(state, before, strict=True):
            each.copy_(own)

    def replay(x: Any, t: Any) -> Any:
        if len(x) != batch:
            return step(x, t)
        if not given:
            record(x, t)
        given[0].copy_(x)
        given[1].copy_(t)
        graph.replay()
        return loss.clone()

    return replay
