"""Company register (工商信息): looking companies up, and taking facts over into a customer."""
