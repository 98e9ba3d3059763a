"""How messages travel: in one process here, between processes later; daemons cannot tell the difference."""
