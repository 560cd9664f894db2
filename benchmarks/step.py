"""One training step of the activity's 2-2-1 network: layerkit's NumPy engine beside PyTorch's eager step.

Both take the same float64 steps from the same parameters, each in a process of its own, in alternation, and their
losses are compared. The ratio is of medians.

    python benchmarks/step.py [--rounds 9] [--steps 5000] [--json]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

from layerkit.opening import open_model

DOCUMENT = Path(__file__).parent.parent / "models" / "activity.json"


def layerkit_steps() -> Callable[[int], list[float]]:
    model = open_model(DOCUMENT, restart=True)
    session, rows = model.session(), model.plan(steps=1).rows.rows
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
    rows = model.plan(steps=1).rows.rows
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


CONTENDERS = {"layerkit numpy": layerkit_steps, "torch eager": torch_steps}


def run_alone(name: str, steps: int) -> dict[str, Any] | None:
    """Time one contender in a process of its own; None if it isn't installed."""
    command = [sys.executable, __file__, "--only", name, "--steps", str(steps)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if "ModuleNotFoundError" in ran.stderr:
        return None
    ran.check_returncode()
    return dict(json.loads(ran.stdout))


def time_here(name: str, steps: int) -> None:
    """Warm up, then print the first losses and the microseconds that a step takes."""
    run = CONTENDERS[name]()
    losses = run(100)
    times = []
    for _ in range(steps // 50):
        started = perf_counter()
        run(50)
        times.append((perf_counter() - started) / 50 * 1e6)
    # the median: what else runs on the machine falls on some of the fifties
    print(json.dumps({"losses": losses, "microseconds": median(times)}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        time_here(options.only, options.steps)
        return

    times: dict[str, list[float]] = {}
    due: list[float] = []
    for _ in range(options.rounds):
        for name in CONTENDERS:
            result = run_alone(name, options.steps)
            if result is None:
                continue
            due = due or result["losses"]
            difference = max(abs(a - b) for a, b in zip(result["losses"], due, strict=True))
            assert difference < 1e-12, f"{name} computes other losses, by {difference}"
            times.setdefault(name, []).append(result["microseconds"])
    for name in CONTENDERS.keys() - times.keys():
        print(f"{name} is not installed: skipped")
    if options.json:
        print(json.dumps(times))
        return
    ours = median(times["layerkit numpy"])
    for name, own in times.items():
        spread = f"({min(own):.1f} to {max(own):.1f})"
        print(f"{name:15} {median(own):8.1f} µs a step {spread:20} {median(own) / ours:5.2f} ×")


if __name__ == "__main__":
    main()
