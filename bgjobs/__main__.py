"""`python -m bgjobs` is the same as the `bgjobs` command."""

from .cli import main

if __name__ == "__main__":
    main()
