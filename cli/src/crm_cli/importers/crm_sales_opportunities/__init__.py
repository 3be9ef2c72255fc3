"""The public practice data set "CRM Sales Opportunities": 85 accounts, 35 agents, 7 products, 8,800 opportunities."""
