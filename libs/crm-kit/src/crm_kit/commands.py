"""The command line of a service process, which its `__main__` runs."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from crm_kit import key_commands, logs, process
from crm_kit.service import Service
from crm_kit.settings import Settings, SettingsError


def run(service: Service, arguments: Sequence[str] = ()) -> None:
    """The command line of a service process: serve, work, migrate, retry-dead-letters, keys and their change."""
    words = list(arguments or sys.argv[1:])
    try:
        settings = Settings.from_environment(service.name)
        logs.configure(service.name, settings.log_level)
        service.connect(settings)
        match words:
            case ["serve"]:
                process.serve(service)
            case ["serve", "--no-work"]:
                process.serve(service, work=False)
            case ["work"]:
                process.work(service)
            case ["work", "--only", "relay"]:
                process.work(service, read=False)
            case ["work", "--only", "reader"]:
                process.work(service, relay=False)
            case ["migrate"]:
                service.migrate()
            case ["migrate", "--check"]:
                sys.exit(0 if service.migrate(check=True) else 1)
            case ["retry-dead-letters"]:
                reader = service.inbox()
                applied, failing = reader.retry_dead_letters() if reader else (0, 0)
                sys.stdout.write(f"{applied} applied, {failing} still failing\n")
            case ["rotate-keys", *how] if how in ([], ["--rewrap"]):
                key_commands.rotate(service.keys, service.writer, service.sealed_tables(), rewrap=bool(how))
            case ["add-master-key"]:
                key_commands.add_master(service.keys)
            case ["keys"]:
                key_commands.show(service.writer, service.sealed_tables())
            case [name] if name in service.commands:
                service.commands[name](service)
            case _:
                usual = "serve [--no-work]", "work [--only relay|reader]", "migrate [--check]", "retry-dead-letters"
                of_keys = "keys", "rotate-keys [--rewrap]", "add-master-key"
                sys.exit(f"usage: {' | '.join([*usual, *of_keys, *service.commands])}")
    except SettingsError as error:
        sys.exit(f"{service.name}: {error}")
    finally:
        sys.stdout.flush()
