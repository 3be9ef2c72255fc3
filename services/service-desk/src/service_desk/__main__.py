from crm_kit import commands
from service_desk.app import SERVICE

commands.run(SERVICE)
