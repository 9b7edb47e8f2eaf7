"""Runs every check and prints what each has to complain about; status 1 if there is anything."""

import sys

from . import imports, names, sizes, words


def main() -> int:
    complaints = [complaint for check in (imports, names, sizes, words) for complaint in check.check()]
    print(*complaints, sep="\n", end="\n" if complaints else "")
    print(f"own checks: {len(complaints) or 'no'} complaint{'' if len(complaints) == 1 else 's'}")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
