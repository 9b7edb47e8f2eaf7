"""What commands print: JSON for programs; tables and fields for people.

On a terminal, tables are drawn by rich if it is installed (`pip install 'bgjobs[dev]'`). Anywhere else, and without
rich, they are aligned text that nothing is cut from, so that `grep` and `awk` see whole ids.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import click

from .options import shared_option

_LAST_AT_LEAST = 20  # characters of the last column, which alone may be folded

_STATE_COLOURS: Mapping[str, dict[str, Any]] = {
    "pending": {"dim": True},
    "queued": {"fg": "cyan"},
    "running": {"fg": "blue", "bold": True},
    "waiting": {"fg": "yellow"},
    "completed": {"fg": "green"},
    "failed": {"fg": "red"},
    "cancelled": {"fg": "magenta"},
}


def wants_json() -> bool:
    """Whether `--json` was given."""
    return bool(shared_option("json"))


def show(value: Any, draw: Callable[[], None]) -> None:
    """Print `value` as JSON if that is wanted; else call `draw`, which prints it for people."""
    if wants_json():
        click.echo(json_text(value, indent=2 if sys.stdout.isatty() else None))
    else:
        draw()


def line(value: Any, text: str) -> None:
    """Print one of a sequence of things that come over time: a line of JSON, or the text."""
    click.echo(json_text(value) if wants_json() else text)
    sys.stdout.flush()


def json_text(value: Any, indent: int | None = None) -> str:
    return json.dumps(plain(value), ensure_ascii=False, indent=indent)


def plain(value: Any) -> Any:
    """A value as JSON has it: times in ISO 8601 (UTC), bytes as {"$base64": ...}, keys as text.

    NaN and the infinities, which JSON lacks, become {"$float": "nan"}.
    """
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return {"$float": str(value)}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, (bytes, bytearray)):
        return {"$base64": base64.b64encode(value).decode()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        public = (field.name for field in dataclasses.fields(value) if not field.name.startswith("_"))
        return {name: plain(getattr(value, name)) for name in public}
    if isinstance(value, Mapping):
        return {_name(key): plain(item) for key, item in value.items()}
    if isinstance(value, Iterable):
        return [plain(item) for item in value]
    return str(value)


def _name(key: Any) -> str:
    return key.decode("utf-8", "replace") if isinstance(key, bytes) else str(key)


def short(value: Any, longest: int = 60) -> str:
    """A value as JSON, cut where it gets long."""
    return compact(json_text(value), longest)


def compact(text: str, longest: int = 60) -> str:
    """A text on one line, cut where it gets long."""
    text = " ".join(text.split())
    return text if len(text) <= longest else text[: longest - 1] + "…"


def state(name: str) -> str:
    """The name of a state in its colour."""
    return click.style(name, **_STATE_COLOURS.get(str(name), {}))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """Print rows under headings, or the sentence `empty` if there are none."""
    if not rows:
        click.echo(empty, err=True)
    elif not (sys.stdout.isatty() and _draw_richly(columns, rows)):
        _align(columns, rows)


def fields(pairs: Iterable[tuple[str, str | None]]) -> None:
    """Print names and values, a pair per line; pairs without a value are left out."""
    kept = [(name, value) for name, value in pairs if value]
    width = max((len(name) for name, _ in kept), default=0) + 2
    for name, value in kept:
        click.echo(click.style(name.ljust(width), dim=True) + value.replace("\n", "\n" + " " * width))


def heading(text: str) -> None:
    """Print a heading within what one command shows."""
    click.echo()
    click.secho(text, bold=True)


def block(text: str) -> None:
    """Print a text of several lines, set in."""
    for each in text.rstrip().splitlines():
        click.echo(f"  {each}")


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(click.unstyle(cell)) for cell in column) for column in zip(columns, *rows, strict=True)]


def _align(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    widths = _widths(columns, rows)
    for row in ([click.style(name.upper(), bold=True) if name else "" for name in columns], *rows):
        cells = [cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True)]
        click.echo("  ".join(cells).rstrip())


def _draw_richly(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> bool:
    try:
        from rich.box import SIMPLE_HEAD
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False
    console = Console(highlight=False)
    *fixed, last = (width + 3 for width in _widths(columns, rows))
    if sum(fixed) + min(last, _LAST_AT_LEAST) > console.width:
        return False  # it would break words and ids: lines that the terminal wraps read better
    drawn = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for name in columns[:-1]:
        drawn.add_column(name, no_wrap=True)
    drawn.add_column(columns[-1], overflow="fold")
    for row in rows:
        drawn.add_row(*(Text.from_ansi(cell) for cell in row))
    console.print(drawn)
    return True
