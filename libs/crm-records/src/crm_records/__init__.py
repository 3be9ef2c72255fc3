"""What every record can do: number, states, dictionary, custom field, filter and page, change log, bulk act.

No business noun in here: a service says what its records are, this library does the rest.
"""
