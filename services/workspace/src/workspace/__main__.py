from crm_kit import commands
from workspace.app import SERVICE

commands.run(SERVICE)
