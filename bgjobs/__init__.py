"""Event-driven background jobs with durable steps, on the Redis you already run.

The public face. Names are loaded when first used, so that web code which only sends events loads neither the worker
nor the command line nor the metrics.
"""

from .version import __version__

__all__ = ["__version__"]
