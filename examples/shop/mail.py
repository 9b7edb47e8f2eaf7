"""Stand-in for the mail service."""

from . import journal


def send(to: str, subject: str) -> None:
    """Send a mail."""
    journal.note("mail", to, subject)
