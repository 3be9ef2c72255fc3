"""Public pools (公海): customers that are nobody's, who takes them, and when they come there."""
