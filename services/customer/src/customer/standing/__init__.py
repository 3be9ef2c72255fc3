"""What is computed of customers: when, from what, and what people say instead."""
