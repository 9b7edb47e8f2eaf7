"""Why a run is where it is: what holds it, until when, and what it went through."""

from .explain import explain

__all__ = ["explain"]
