"""`python -m soar` is `soar`."""

from soar.cli.app import main

main()
