"""DingTalk 钉钉: its unified sign-in page, for people of one company.

Anybody with an account of DingTalk can use that page, so the company they chose there must be ours. See
"获取登录用户的访问凭证", "获取用户token" and "获取用户通讯录个人信息" of open.dingtalk.com.
"""

from __future__ import annotations

from identity.outgoing import Answer
from identity.provider import OUTSIDE, Begun, Refused, Settings, Told
from identity.vendors.vendor import Vendor, text

TOKEN, ME = "/v1.0/oauth2/userAccessToken", "/v1.0/contact/users/me"


class DingTalk(Vendor):
    """The client id is that of the application (AppKey), the tenant id the CorpId of the company."""

    LOGIN = "https://login.dingtalk.com"
    API = "https://api.dingtalk.com"
    BAD_CODE = frozenset({"invalidParameter.authCode.notFound"})
    NOT_THEM = frozenset[object]()
    BUSY = frozenset(
        {
            "Forbidden.AccessDenied.QpsLimitForApi",
            "Forbidden.AccessDenied.QpsLimitForAppkeyAndApi",
            "Forbidden.AccessDenied.QpmLimitForAppkeyAndApi",
        }
    )

    def authorization_url(self, of: Settings, begun: Begun, state: str) -> str:
        query = {"redirect_uri": begun.redirect_uri, "response_type": "code", "client_id": of.client_id}
        query |= {"scope": "openid corpid", "state": state, "prompt": "consent", "corpId": of.tenant_id}
        return self.page(of, "/oauth2/auth", query)

    def told(self, of: Settings, begun: Begun, code: str, said_issuer: str, needed: list[str]) -> Told:
        document = {"clientId": of.client_id, "clientSecret": of.client_secret, "code": code}
        given = self._good(TOKEN, self.ask(of, TOKEN, document={**document, "grantType": "authorization_code"}))
        if given.body.get("corpId") != of.tenant_id:
            raise Refused("signed in with another company", OUTSIDE)
        headers = {"x-acs-dingtalk-access-token": text(given.body, "accessToken", TOKEN)}
        me = self._good(ME, self.ask(of, ME, headers=headers)).body
        text(me, "unionId", ME)
        mobile, country = me.get("mobile"), str(me.get("stateCode") or "").lstrip("+")
        return Told({**me, "mobile": f"+{country}{mobile}"} if mobile and country.isdigit() else me)

    def _good(self, path: str, answer: Answer) -> Answer:
        if answer.status != 200:
            raise self.refuse(path, answer.body.get("code"))
        return answer
