"""Where facts are kept: journals now, bar history later."""
