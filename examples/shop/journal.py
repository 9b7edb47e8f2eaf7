"""The world outside of the jobs, in one SQLite file that all processes share: what was done there, and what is broken.

The stand-ins beside this file (payments, warehouse, mail ...) are written on it. `SHOP_JOURNAL` says where it is, by
default in the folder for temporary files.
"""

import os
import sqlite3
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

_TABLES = """
CREATE TABLE IF NOT EXISTS deeds (at REAL, pid INTEGER, who TEXT, what TEXT, subject TEXT);
CREATE TABLE IF NOT EXISTS charges (key TEXT PRIMARY KEY, id TEXT, email TEXT, cents INTEGER);
CREATE TABLE IF NOT EXISTS switches (name TEXT PRIMARY KEY, value REAL);
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """Something that a stand-in did, or refused to do."""

    at: float  # Unix time in seconds
    pid: int  # process that asked for it
    who: str
    what: str
    subject: str


@contextmanager
def opened() -> Iterator[sqlite3.Connection]:
    """The file, in one transaction that no other process comes between."""
    path = Path(os.environ.get("SHOP_JOURNAL") or Path(tempfile.gettempdir(), "bgjobs-shop.sqlite"))
    with closing(sqlite3.connect(path, timeout=30, isolation_level=None)) as file:
        file.executescript(_TABLES)
        file.execute("BEGIN IMMEDIATE")
        yield file
        file.execute("COMMIT")


def note(who: str, what: str, subject: str) -> None:
    """Write down a deed."""
    with opened() as file:
        file.execute("INSERT INTO deeds VALUES (?, ?, ?, ?, ?)", (time.time(), os.getpid(), who, what, subject))


def deeds(who: str, what: str | None = None) -> list[Deed]:
    """What a stand-in did, in order."""
    with opened() as file:
        rows = file.execute(
            "SELECT at, pid, who, what, subject FROM deeds WHERE who = ? AND ? IN (what, '') ORDER BY rowid",
            (who, what or ""),
        ).fetchall()
    return [Deed(at=at, pid=pid, who=who, what=what, subject=subject) for at, pid, who, what, subject in rows]


def switch(name: str, value: float) -> None:
    """Break or repair something."""
    with opened() as file:
        file.execute("INSERT OR REPLACE INTO switches VALUES (?, ?)", (name, value))


def switched(name: str, default: float) -> float:
    """How it stands."""
    with opened() as file:
        found = file.execute("SELECT value FROM switches WHERE name = ?", (name,)).fetchone()
    return default if found is None else float(found[0])


def use_up(name: str) -> bool:
    """Take one of what is left of something; False if nothing is left."""
    with opened() as file:
        return file.execute("UPDATE switches SET value = value - 1 WHERE name = ? AND value > 0", (name,)).rowcount > 0
