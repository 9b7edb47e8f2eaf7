"""What `ctx.step` can do: one file per verb, on top of the step book."""
