"""``python -m gantools`` is the command line."""

from gantools.cli import main

if __name__ == "__main__":
    main()
