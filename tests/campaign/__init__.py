"""Campaigns against real processes: `python3 dev.py campaign`."""
