"""Merging customers and contacts of which there are two, and taking it back."""
