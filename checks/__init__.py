"""What `make check` holds besides formatting, lint and types. `python -m checks` runs all of it."""
