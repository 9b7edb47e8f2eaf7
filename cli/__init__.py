"""The command line: one file per noun; prints what the other parts return."""
