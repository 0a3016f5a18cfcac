"""``python -m benchsuite``: the command, for ``torchrun`` and wherever its script is not on the path."""

from benchsuite.cli.main import main

if __name__ == "__main__":
    main()
