from crm_kit import commands
from customer.app import SERVICE

commands.run(SERVICE)
