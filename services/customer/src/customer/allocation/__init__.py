"""Giving customers away by rules."""
