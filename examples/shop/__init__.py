"""A small shop whose background jobs show what durable functions look like: start with `jobs.py`."""
