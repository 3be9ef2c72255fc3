"""Named sets of customers."""
