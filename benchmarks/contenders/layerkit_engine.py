"""layerkit: a session of the engine named in the environment takes all steps in one call; or the command line.

A step is that of a long run, in which the NumPy engine has compiled what numba can, where that is installed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from task import Steps, Task


def prepare(task: Task) -> Steps:
    import numpy as np

    from layerkit import Model
    from layerkit.data.batches import Rows
    from layerkit.engines import fusing
    from workloads import document_of

    fusing.WORTH = 0
    model = Model(**document_of(task.problem, engine=os.environ["LAYERKIT_ENGINE"]))  # of the same first parameters
    session = model.session()
    batches = [Rows(x, t) for x, t in task.batches]
    lists = {}

    def steps(count: int) -> float:
        if count not in lists:
            lists[count] = [batches[i % len(batches)] for i in range(count)]
        return float(np.mean(session.train(lists[count])))

    return steps


def whole(task: Task) -> None:
    from layerkit.__main__ import main

    assert task.table is not None
    document = str(Path(task.table.path).with_name("model.json"))
    engine = f'engine="{os.environ["LAYERKIT_ENGINE"]}"'
    sys.argv = ["layerkit", "train", document, "--restart", "--format", "json", "--set", engine]
    main()
