"""Stand-in for a language model behind an HTTP API: slow, at times overloaded, and paid in advance.

`journal.switch` sets "llm seconds" (per call), "llm overloads" (calls to refuse), "llm credit" (answers left).
"""

import asyncio

from . import journal

UNLIMITED = -1


class Overloaded(Exception):
    """It has too much to do. `seconds`: when to ask again."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the model is overloaded; ask again in {seconds:g} s")
        self.seconds = seconds


class OutOfCredit(Exception):
    """Nothing is left of what was paid."""


async def summarise(text: str) -> str:
    """What the text says, in one word."""
    journal.note("llm", "asked", text)
    if journal.switched("llm credit", UNLIMITED) == 0:
        raise OutOfCredit("the model's account is out of credit")
    if journal.use_up("llm overloads"):
        raise Overloaded(1.0)
    await asyncio.sleep(journal.switched("llm seconds", 0.5))
    journal.use_up("llm credit")
    journal.note("llm", "answered", text)
    return max(text.split(), key=len)
