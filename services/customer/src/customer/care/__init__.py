"""Care: on which days, for whom, by which plan; what is proposed, confirmed and leaves."""
