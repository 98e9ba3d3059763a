"""Token sources: where new tokens come from; one file is one source."""
