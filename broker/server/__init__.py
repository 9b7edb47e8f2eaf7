"""Which server to talk to, and a private one of our own where none is given.

`find_server` answers the first; `EmbeddedServer` is the second: a Redis or Valkey process for `bgjobs dev`, the demo
and tests.
"""

from .binary import ServerBinary, binary_at, embedded_binary, find_binary
from .discovery import Found, dev_server, find_server, given_server, running_server
from .embedded import EmbeddedServer
from .errors import ServerBusy, ServerFailed

__all__ = [
    "EmbeddedServer",
    "Found",
    "ServerBinary",
    "ServerBusy",
    "ServerFailed",
    "binary_at",
    "dev_server",
    "embedded_binary",
    "find_binary",
    "find_server",
    "given_server",
    "running_server",
]
