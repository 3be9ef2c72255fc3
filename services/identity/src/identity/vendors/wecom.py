"""WeCom 企业微信: web login of an application that the company made itself.

The application has an access token of its own, which must be kept until it ends: it may be asked for only so often.
See "企业微信Web登录", "获取access_token", "获取用户登录身份" and "读取成员" of developer.work.weixin.qq.com.
"""

from __future__ import annotations

import hashlib
import threading
import time
from typing import Any

from identity.outgoing import Failed
from identity.provider import OUTSIDE, Begun, Refused, Settings, Told
from identity.vendors.vendor import Vendor, text

TOKEN, WHO, MEMBER = "/cgi-bin/gettoken", "/cgi-bin/auth/getuserinfo", "/cgi-bin/user/get"
STALE = (40014, 42001)
"""An access token that is good no longer: WeCom may end one before its time."""
EARLY = 60.0
"""Seconds that an access token is given up before it ends."""
MOST_KEPT = 100
GONE = (2, 5)
"""States of a member: disabled, left the company."""


class WeCom(Vendor):
    """The client id is the CorpID; the agent id and the secret are those of the application."""

    LOGIN = "https://login.work.weixin.qq.com"
    API = "https://qyapi.weixin.qq.com"
    BAD_CODE = frozenset({40029, 42003})
    NOT_THEM = frozenset({40003, 60011, 60111})
    BUSY = frozenset({-1, 45009, 45033})

    def __init__(self) -> None:
        self._asking = threading.Lock()
        self._tokens: dict[bytes, tuple[str, float]] = {}

    def authorization_url(self, of: Settings, begun: Begun, state: str) -> str:
        query = {"login_type": "CorpApp", "appid": of.client_id, "agentid": of.agent_id}
        return self.page(of, "/wwlogin/sso/login", {**query, "redirect_uri": begun.redirect_uri, "state": state})

    def told(self, of: Settings, begun: Begun, code: str, said_issuer: str, needed: list[str]) -> Told:
        """A code names a member whether or not the application is open to them; reading the member finds that out."""
        userid = self._get(of, WHO, code=code).get("userid")
        if not isinstance(userid, str) or not userid or "/" in userid:
            raise Refused("not a member of this company", OUTSIDE)
        member = self._get(of, MEMBER, userid=userid)
        if member.get("status") in GONE:
            raise Refused("the member is disabled or has left", OUTSIDE)
        return Told({**member, "userid": userid})

    def _get(self, of: Settings, path: str, **query: str) -> dict[str, Any]:
        token = self._token(of)
        body = self.ask(of, path, query={"access_token": token, **query}).body
        if body.get("errcode") in STALE:
            body = self.ask(of, path, query={"access_token": self._token(of, stale=token), **query}).body
        return self._good(path, body)

    def _token(self, of: Settings, *, stale: str = "") -> str:
        """The access token of the application, another than the stale one. Of many who need it at once one asks."""
        parts = (of.api_address, of.client_id, of.client_secret)
        key = hashlib.sha256("\0".join(parts).encode()).digest()
        with self._asking:
            token, until = self._tokens.get(key, ("", 0.0))
            if token and token != stale and time.monotonic() < until:
                return token
            asked = time.monotonic()
            query = {"corpid": of.client_id, "corpsecret": of.client_secret}
            body = self._good(TOKEN, self.ask(of, TOKEN, query=query).body)
            token, seconds = text(body, "access_token", TOKEN), body.get("expires_in")
            if len(self._tokens) >= MOST_KEPT:
                self._tokens.clear()
            self._tokens[key] = token, asked + (seconds if isinstance(seconds, int) else 0) - EARLY
            return token

    def _good(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        code = body.get("errcode")
        if not isinstance(code, int):
            raise Failed(f"{path} answered without errcode")
        if code != 0:
            raise self.refuse(path, code)
        return body
