"""What web code and workers both import: apps, functions, triggers, policies, events. Runs no user code."""
