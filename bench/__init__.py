"""The speed harness: bgjobs and its peers side by side on one machine, in turn. See `python -m bench --help`."""
