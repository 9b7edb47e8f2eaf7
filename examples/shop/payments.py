"""Stand-in for a payment provider: it remembers the idempotency key of every charge, as the real ones do."""

from . import journal


def charge(email: str, cents: int, *, idempotency_key: str) -> str:
    """Charge a card. The same key again charges nothing and answers the first charge's id."""
    journal.note("payments", "asked", idempotency_key)
    with journal.opened() as file:
        new = f"ch-{file.execute('SELECT count(*) FROM charges').fetchone()[0] + 1}"
        file.execute("INSERT OR IGNORE INTO charges VALUES (?, ?, ?, ?)", (idempotency_key, new, email, cents))
        return str(file.execute("SELECT id FROM charges WHERE key = ?", (idempotency_key,)).fetchone()[0])


def charges(email: str) -> list[int]:
    """What a customer was charged, in cents."""
    with journal.opened() as file:
        return [cents for (cents,) in file.execute("SELECT cents FROM charges WHERE email = ?", (email,))]


def total() -> int:
    """All charges, in cents."""
    with journal.opened() as file:
        return int(file.execute("SELECT coalesce(sum(cents), 0) FROM charges").fetchone()[0])
