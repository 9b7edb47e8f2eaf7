"""All that touches Redis: keys, codec, transitions, clients, the embedded server. Runs no user code."""
