"""Review of what was entered: who says that it is right, and what asks for another look."""
