"""Research: one house over recorded bars, and what came of it."""
