"""How fast layerkit starts: whole processes beside the imports that they can't do without.

Each pair of commands runs in alternation; the ratio is the median over the pairs. `import pydantic` is lazy: the line
"the floor" shows what any program pays that validates a single field, the garbage collector off and no plugins of
pydantic's looked for, as the command line has it. What lies above the floor is layerkit's own.

All run from compiled modules, as pip installs them, whatever PYTHONDONTWRITEBYTECODE says: it would make an editable
layerkit, and only that, be compiled anew in every process.

    python benchmarks/start.py [--rounds 15] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from time import perf_counter

from limits import at_least

DOCUMENT = Path(__file__).parent.parent / "models" / "activity.json"
IMPORTS = "import numpy, pydantic, click, safetensors.numpy"
MODEL = f"{IMPORTS}\nclass One(pydantic.BaseModel):\n    x: int\nOne(x=1)"
FLOOR = f"import gc, os\ngc.disable()\nos.environ['PYDANTIC_DISABLE_PLUGINS'] = '__all__'\n{MODEL}\ngc.freeze()"
TRAIN, FLOOR_RATIO = "train / the imports", "the floor / the imports"


def seconds(command: list[str], environment: dict[str, str]) -> float:
    started = perf_counter()
    subprocess.run(command, check=True, capture_output=True, env=environment)
    return perf_counter() - started


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=at_least(1), default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)

    layerkit = str(Path(sys.executable).with_name("layerkit"))
    python = [sys.executable, "-c"]
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment["PYTHONPYCACHEPREFIX"] = str(Path(folder, "compiled"))
        model = shutil.copy(DOCUMENT, folder)
        train = [layerkit, "train", model, "--restart"]
        imports = [*python, IMPORTS]
        pairs = {
            "--help / import click": ([layerkit, "--help"], [*python, "import click"]),
            TRAIN: (train, imports),
            FLOOR_RATIO: ([*python, FLOOR], imports),
            "one pydantic model / the imports": ([*python, MODEL], imports),
            "train / one pydantic model": (train, [*python, MODEL]),
            "predict / the imports": ([layerkit, "predict", model], imports),
            "evaluate / the imports": ([layerkit, "evaluate", model], imports),
            "explain / the imports": ([layerkit, "explain", model], imports),
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
        for number in range(options.rounds + 1):
            for name, (ours, theirs) in pairs.items():
                pair = seconds(ours, environment), seconds(theirs, environment)
                if number:  # the first round compiles
                    times[name].append(pair)
    if options.json:
        print(json.dumps(times))
        return
    ratios = {name: [ours / theirs for ours, theirs in own] for name, own in times.items()}
    for name, own in times.items():
        ours, theirs = (median(each) for each in zip(*own))
        spread = f"({min(ratios[name]):.2f} to {max(ratios[name]):.2f})"
        print(f"{name:34} {ours:.3f} s / {theirs:.3f} s  {median(ratios[name]):.2f} × {spread}")
    whole, floor = median(ratios[TRAIN]), median(ratios[FLOOR_RATIO])
    print(f"of train: the imports 1.00, pydantic's first model {floor - 1.0:.2f}, layerkit's own {whole - floor:.2f}")


if __name__ == "__main__":
    main()
