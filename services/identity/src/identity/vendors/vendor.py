"""What the three have in common: a page for the browser, questions to an interface, and numbers for what went wrong."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar
from urllib.parse import quote, urlencode

from identity import outgoing
from identity.outgoing import Answer, Failed, Way
from identity.provider import MISCONFIGURED, OUTSIDE, Begun, Refused, Settings, Told

_CODE = re.compile(r"[\w.-]{1,80}", re.ASCII)


class Vendor(ABC):
    """One vendor. An administrator may set other addresses than its public ones, for an installation of one's own."""

    LOGIN: ClassVar[str]
    """Where its pages for the browser are."""
    API: ClassVar[str]
    """Where it is asked."""
    BAD_CODE: ClassVar[frozenset[object]]
    """Its numbers for an authorization code that is wrong, expired, used or somebody else's."""
    NOT_THEM: ClassVar[frozenset[object]]
    """Its numbers for a person who is not there, or whom the application is not open to."""
    BUSY: ClassVar[frozenset[object]]
    """Its numbers for: try again later. Whatever is in none of these is wrong with how the application is set up."""

    @abstractmethod
    def authorization_url(self, of: Settings, begun: Begun, state: str) -> str: ...

    @abstractmethod
    def told(self, of: Settings, begun: Begun, code: str, said_issuer: str, needed: list[str]) -> Told: ...

    def page(self, of: Settings, path: str, query: Mapping[str, str]) -> str:
        """An address for the browser."""
        return f"{of.login_address or self.LOGIN}{path}?{urlencode(query, quote_via=quote)}"

    def ask(
        self,
        of: Settings,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        document: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask the interface. Raises `Failed` where it is not reached or does not work; a refusal of it is an answer."""
        address = of.api_address or self.API
        way = Way(insecure=of.insecure, internal=bool(of.api_address) and outgoing.is_internal(address))
        url = f"{address}{path}" + (f"?{urlencode(query)}" if query else "")
        answer = outgoing.ask(url, way, document=document, headers=headers)
        if answer.status >= 500 or answer.status == 429 or not answer.body:
            raise Failed(f"{path} answered {answer.status}")
        return answer

    def refuse(self, path: str, code: object) -> Exception:
        """What a number of the vendor means. Its words are not kept: they are not ours to trust or to show."""
        code = code if isinstance(code, int | str) else None
        shown = str(code) if _CODE.fullmatch(str(code)) else "something unreadable"
        message = f"{path} answered {shown}"
        if code in self.BUSY:
            return Failed(message)
        if code in self.BAD_CODE:
            return Refused(message)
        return Refused(message, OUTSIDE if code in self.NOT_THEM else MISCONFIGURED)


def text(body: Mapping[str, Any], name: str, path: str) -> str:
    """A word that an answer must hold. Raises `Failed`: what does not hold it is no answer of this vendor."""
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise Failed(f"{path} answered without {name}")
    return value
