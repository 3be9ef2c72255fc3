"""Loaders of other systems' exports: each reads its files, proposes what to do about dirt, and sends rows over HTTP."""

IMPORTERS = {
    "crm-sales-opportunities": (
        "a sales team's pipeline as CSV: accounts, products, sales_teams and sales_pipeline "
        '(the public practice data set "CRM Sales Opportunities")'
    ),
}
