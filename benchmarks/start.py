"""How fast layerkit starts: whole processes beside the imports that they can't do without.

Each pair of commands runs in alternation; the ratio is the median over the pairs. The line "one pydantic model" shows
what any program pays that validates a single field with pydantic, whose import is lazy until then.

    python benchmarks/start.py [--rounds 15] [--json]
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter

DOCUMENT = Path(__file__).parent.parent / "models" / "activity.json"
IMPORTS = "import numpy, pydantic, click, safetensors.numpy"
MODEL = f"{IMPORTS}\nclass One(pydantic.BaseModel):\n    x: int\nOne(x=1)"


def seconds(command: list[str]) -> float:
    started = perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()

    layerkit = str(Path(sys.executable).with_name("layerkit"))
    python = [sys.executable, "-c"]
    with tempfile.TemporaryDirectory() as folder:
        model = shutil.copy(DOCUMENT, folder)
        train = [layerkit, "train", model, "--restart"]
        pairs = {
            "--help / import click": ([layerkit, "--help"], [*python, "import click"]),
            "train / the imports": (train, [*python, IMPORTS]),
            "one pydantic model / the imports": ([*python, MODEL], [*python, IMPORTS]),
            "train / one pydantic model": (train, [*python, MODEL]),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
        for _ in range(options.rounds):
            for name, (ours, theirs) in pairs.items():
                times[name].append((seconds(ours), seconds(theirs)))
    if options.json:
        print(json.dumps(times))
        return
    for name, own in times.items():
        ratios = [ours / theirs for ours, theirs in own]
        ours, theirs = (median(each) for each in zip(*own))
        spread = f"({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"{name:34} {ours:.3f} s / {theirs:.3f} s  {median(ratios):.2f} × {spread}")


if __name__ == "__main__":
    main()
