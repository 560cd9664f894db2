"""`python -m layerkit`."""

from layerkit.cli import main

main()
