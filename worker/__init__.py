"""Runs user code: the life of a run from lease to outcome. Knows no key names."""
