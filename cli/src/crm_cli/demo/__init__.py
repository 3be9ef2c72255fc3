"""A believable company that does not exist: the same seed always makes the same one, of any size."""
