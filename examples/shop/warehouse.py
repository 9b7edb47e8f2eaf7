"""Stand-in for the warehouse's database, which is down at times: `journal.switch("warehouse down", 1)`."""

from . import journal


class Down(ConnectionError):
    """It does not answer."""


def pack(order_id: str, items: list[str]) -> str:
    """Pack a parcel; returns its number."""
    if journal.switched("warehouse down", 0):
        journal.note("warehouse", "down", order_id)
        raise Down("the warehouse's database does not answer")
    journal.note("warehouse", "packed", order_id)
    return f"parcel-{order_id}-{len(items)}"
