"""Feishu 飞书: OAuth with PKCE, and who it is from the user's own access token.

See "获取授权码", "获取 user_access_token" and "获取用户信息" of open.feishu.cn. Lark is the same at other addresses.
"""

from __future__ import annotations

from typing import Any

from identity.outgoing import Failed
from identity.provider import OUTSIDE, Begun, Refused, Settings, Told
from identity.vendors.vendor import Vendor, text

TOKEN, ME = "/open-apis/authen/v2/oauth/token", "/open-apis/authen/v1/user_info"


class Feishu(Vendor):
    """The client id is the App ID; the tenant id, where one is set, the tenant key of the company."""

    LOGIN = "https://accounts.feishu.cn"
    API = "https://open.feishu.cn"
    BAD_CODE = frozenset({20003, 20004, 20024, 20049, 20065, 20071})
    NOT_THEM = frozenset({20008, 20009, 20010, 20021, 20022, 20023, 20066})
    BUSY = frozenset({20050, 20072, 99991400})

    def authorization_url(self, of: Settings, begun: Begun, state: str) -> str:
        query = {"client_id": of.client_id, "response_type": "code", "redirect_uri": begun.redirect_uri}
        query |= {"state": state, "code_challenge": begun.challenge(), "code_challenge_method": "S256"}
        if of.scopes:
            query["scope"] = " ".join(of.scopes)
        return self.page(of, "/open-apis/authen/v1/authorize", query)

    def told(self, of: Settings, begun: Begun, code: str, said_issuer: str, needed: list[str]) -> Told:
        document = {"grant_type": "authorization_code", "client_id": of.client_id, "client_secret": of.client_secret}
        document |= {"code": code, "redirect_uri": begun.redirect_uri, "code_verifier": begun.verifier}
        given = self._good(TOKEN, self.ask(of, TOKEN, document=document).body)
        headers = {"Authorization": f"Bearer {text(given, 'access_token', TOKEN)}"}
        me = self._good(ME, self.ask(of, ME, headers=headers).body).get("data")
        if not isinstance(me, dict):
            raise Failed(f"{ME} answered without data")
        text(me, "union_id", ME)
        if of.tenant_id and me.get("tenant_key") != of.tenant_id:
            raise Refused("signed in with another company", OUTSIDE)
        return Told(me)

    def _good(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        code = body.get("code")
        if not isinstance(code, int):
            raise Failed(f"{path} answered without code")
        if code != 0:
            raise self.refuse(path, code)
        return body
