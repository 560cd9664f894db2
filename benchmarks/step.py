"""One training step of the activity's 2-2-1 network: layerkit's NumPy engine beside PyTorch's eager step.

Both take the same steps from the same parameters in float32 or float64 as the document says; their losses are compared
first. Rounds alternate, and the ratio is of medians.

    python benchmarks/step.py [--rounds 9] [--steps 2000] [--json]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter

from layerkit.opening import open_model

DOCUMENT = Path(__file__).parent.parent / "models" / "activity.json"


def layerkit_steps() -> Callable[[int], list[float]]:
    model = open_model(DOCUMENT, restart=True)
    session, rows = model.session(), model.plan(steps=1).rows
    return lambda steps: list(session.train([rows] * steps))


def torch_steps() -> Callable[[int], list[float]]:
    import torch

    torch.set_num_threads(1)
    model = open_model(DOCUMENT, restart=True)
    start = {name: torch.tensor(array) for name, array in model.parameters.items()}
    net = torch.nn.Sequential(
        torch.nn.Linear(2, 2, dtype=torch.float64),
        torch.nn.ReLU(),
        torch.nn.Linear(2, 1, dtype=torch.float64),
        torch.nn.Sigmoid(),
    )
    with torch.no_grad():
        for index, name in ((0, "layers.0"), (2, "layers.1")):
            net[index].weight.copy_(start[f"{name}.kernel"].T)
            net[index].bias.copy_(start[f"{name}.bias"])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.02)
    rows = model.plan(steps=1).rows
    x, t = torch.tensor(rows.x), torch.tensor(rows.t)

    def steps(count: int) -> list[float]:
        losses = []
        for _ in range(count):
            optimizer.zero_grad()
            loss = 0.5 * ((net(x) - t) ** 2).sum()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        return losses

    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    contenders = {"layerkit numpy": layerkit_steps()}
    try:
        contenders["torch eager"] = torch_steps()
    except ModuleNotFoundError:
        print("torch is not installed: skipped")
    first = {name: run(100) for name, run in contenders.items()}
    for name, losses in first.items():
        difference = max(abs(a - b) for a, b in zip(losses, first["layerkit numpy"], strict=True))
        assert difference < 1e-12, f"{name} computes other losses, by {difference}"

    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(options.rounds):
        for name, run in contenders.items():
            started = perf_counter()
            run(options.steps)
            times[name].append((perf_counter() - started) / options.steps * 1e6)
    medians = {name: median(own) for name, own in times.items()}
    if options.json:
        print(json.dumps({"microseconds": times, "median": medians}))
        return
    for name, own in times.items():
        ratio = medians[name] / medians["layerkit numpy"]
        print(f"{name:15} {medians[name]:8.1f} µs a step ({min(own):.1f} to {max(own):.1f})  {ratio:5.2f} ×")


if __name__ == "__main__":
    main()
