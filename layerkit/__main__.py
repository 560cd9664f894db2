"""`python -m layerkit`, and the script `layerkit`."""

from layerkit.signals import leave_at_once
from layerkit.starting import start_fast


def main() -> None:
    """Run the command line. A signal ends it quietly from here on, before anything that takes time is imported."""
    leave_at_once()
    start_fast()
    from layerkit.cli import main

    main()


if __name__ == "__main__":
    main()
