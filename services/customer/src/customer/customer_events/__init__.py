"""Customer events: something arranged for customers, and who takes part."""
