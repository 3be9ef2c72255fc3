"""What customers ordered and paid, and the figures made of it."""
