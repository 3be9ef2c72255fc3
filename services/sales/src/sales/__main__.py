from crm_kit import commands
from sales.app import SERVICE

commands.run(SERVICE)
