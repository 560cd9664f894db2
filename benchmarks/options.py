"""The options of everything that compares contenders, and what they mean."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from entrants import contenders
from harness import Settings
from limits import at_least, duration
from machine import cores


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of everything that measures."""
    parser.add_argument("--contender", action="append", metavar="NAME", help=f"one of {', '.join(contenders())}")
    parser.add_argument("--rounds", type=at_least(1), default=5)
    parser.add_argument("--seconds", type=duration, default=1.0, help="of each measurement")
    parser.add_argument("--threads", type=at_least(1), default=cores(), help="of everybody; as many as there are cores")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything there too, after each comparison")
    parser.add_argument("--quick", action="store_true", help="one short round, to see that everything runs")


def settings_of(options: argparse.Namespace, dtype: str = "float32") -> Settings:
    """What the options say."""
    rounds, seconds = (1, 0.05) if options.quick else (options.rounds, options.seconds)
    return Settings(rounds, seconds, options.threads, dtype)


def write(path: Path | None, figures: Any) -> None:
    """Write figures to the file that was asked for, if one was. Raises SystemExit where that can't be."""
    try:
        if path:
            path.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise SystemExit(f"error: {error}") from None


def read(path: Path, key: str) -> Any:
    """What `write` put there under this name. Raises SystemExit where there is no such thing."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))[key]
    except OSError as error:
        raise SystemExit(f"error: {error}") from None
    except (ValueError, KeyError, TypeError):
        raise SystemExit(f"error: {path} holds no {key} of this command") from None
