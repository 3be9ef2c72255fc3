from crm_kit import commands
from reporting.app import SERVICE

commands.run(SERVICE)
