"""The stage of a customer by what happened."""
