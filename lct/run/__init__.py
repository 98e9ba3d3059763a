"""The composition root: the only place where concrete parts meet, and where a mode is chosen, as a choice of parts."""
