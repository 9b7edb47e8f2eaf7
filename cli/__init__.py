"""The command line: one file per noun; prints what the other parts return."""

from .group import main

__all__ = ["main"]
