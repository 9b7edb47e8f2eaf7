"""Read-only questions about a namespace."""
