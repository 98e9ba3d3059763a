"""Feeds: where bars come from; one file is one feed."""
