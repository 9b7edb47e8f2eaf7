"""Stand-in for image processing."""

import time

from . import journal

_LONGEST_WAIT = 20.0  # seconds


def shrink(picture: str) -> str:
    """Make a thumbnail; returns its name."""
    time.sleep(0.05)
    journal.note("pictures", "shrunk", picture)
    return f"small-{picture}"


def fit(album_id: str, half: str, other: str) -> float:
    """Fit one half of the cover to the other, which another step has to hold open meanwhile.

    Returns:
        Unix time at which both were open.

    Raises:
        TimeoutError: the other half was not opened in time.
    """
    journal.note("pictures", "opened", f"{album_id} {half}")
    deadline = time.monotonic() + _LONGEST_WAIT
    while not any(deed.subject == f"{album_id} {other}" for deed in journal.deeds("pictures", "opened")):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nobody opened the {other} half of {album_id}")
        time.sleep(0.02)
    both_open = time.time()
    journal.note("pictures", "fitted", f"{album_id} {half}")
    return both_open


def publish(album_id: str, thumbnails: list[str]) -> str:
    """Put the album online; returns its address."""
    journal.note("pictures", "published", album_id)
    return f"https://shop.example/albums/{album_id}?pictures={len(thumbnails)}"
