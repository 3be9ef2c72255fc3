"""Tables that people bring along as a file: read, mapped, tried, stored, taken back. For every kind of record."""
