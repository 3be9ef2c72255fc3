"""Read models fed by the other services' events, and the reports made of them."""
