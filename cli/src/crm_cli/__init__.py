"""`crm`: starts a suite on one machine, looks after it and says what is wrong with it."""
