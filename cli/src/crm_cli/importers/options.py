"""What a person says to a command that talks to a running suite: where, who, with which password."""

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from crm_cli.settings import Settings, Wrong

VARIABLE = "CRM_ADMIN_PASSWORD"


@dataclass(frozen=True)
class Options:
    """Passwords are asked for when they are needed, and only where somebody can answer."""

    url: str
    username: str
    password_file: Path | None
    given_initial_password: str | None
    yes: bool

    def password(self) -> str:
        if self.password_file:
            try:
                return self.password_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise Wrong(f"{self.password_file} cannot be read: {error}.") from None
        return os.environ.get(VARIABLE) or _prompt(f"Password of {self.username}", f"--password-file or {VARIABLE}")

    def initial_password(self) -> str:
        """The first password of the accounts that are made; each person changes it at the first login."""
        return self.given_initial_password or _prompt("First password of the new accounts", "--initial-password", True)

    def ask(self, question: str) -> bool:
        if self.yes:
            self.say(f"{question} yes")
            return True
        if not sys.stdin.isatty():
            raise Wrong(f"{question} Nobody is here to answer; --yes accepts every proposal.")
        return click.confirm(question, default=True)

    @staticmethod
    def say(text: str) -> None:
        click.echo(text)


def _here() -> str:
    """Where `crm up` with the same environment serves."""
    return Settings.read(os.environ).address


def _account(command: Callable[..., None]) -> Callable[..., None]:
    """Where a command signs in, and as whom."""
    for option in (
        click.option(
            "--password-file",
            type=click.Path(path_type=Path),
            help=f"File with its password; else {VARIABLE} or a prompt.",
        ),
        click.option("--user", "username", default="admin", show_default=True, help="Account to sign in with."),
        click.option("--url", default=_here, help="Address of the suite; the one that CRM_HTTP_HOST and _PORT name."),
    ):
        command = option(command)
    return command


def signs_in(command: Callable[..., None]) -> Callable[..., None]:
    """The options of a command that signs in and asks; the command gets them as one `Options`."""

    @_account
    @functools.wraps(command)
    def with_options(url: str, username: str, password_file: Path | None, **others: Any) -> None:
        command(options=Options(url, username, password_file, None, False), **others)

    return with_options


def talks_to_suite(command: Callable[..., None]) -> Callable[..., None]:
    """The same for one that makes accounts and asks what it should do."""

    @_account
    @click.option("--initial-password", help="First password of the accounts made; to be changed at the first login.")
    @click.option("--yes", is_flag=True, help="Accept every proposal without asking.")
    @functools.wraps(command)
    def with_options(
        url: str,
        username: str,
        password_file: Path | None,
        initial_password: str | None,
        yes: bool,
        **others: Any,
    ) -> None:
        command(options=Options(url, username, password_file, initial_password, yes), **others)

    return with_options


def _prompt(what: str, instead: str, confirm: bool = False) -> str:
    if not sys.stdin.isatty():
        raise Wrong(f"{what} is needed: give {instead}.")
    return str(click.prompt(what, hide_input=True, confirmation_prompt=confirm))
