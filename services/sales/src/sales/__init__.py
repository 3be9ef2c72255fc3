"""The catalogue, the pipelines and the opportunities: what the company sells, and its chances to."""
