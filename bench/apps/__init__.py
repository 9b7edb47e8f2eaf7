"""A module per peer: its jobs, as its worker imports them, and its producer; run in the environment of the peer."""
