"""Stand-ins for WeCom, DingTalk and Feishu: as strict as their published descriptions, and with their errors.

Nothing here was tried against the vendors themselves.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from vendor_stand_in import CLIENT, Asked, Code, Reply, StandIn

from crm_kit.testing.certificates import Authority


class WeCom(StandIn):
    """An application of company `the-client` with a visible range; its access tokens end when the test says so."""

    kind = "wecom"
    fields: ClassVar[Mapping[str, Any]] = {"agent_id": "1000002"}
    token_path = "/cgi-bin/gettoken"
    refusals: ClassVar[Mapping[str, dict[str, Any]]] = {
        "busy": {"errcode": -1, "errmsg": "secret-words system busy"},
        "address not allowed": {"errcode": 60020, "errmsg": "secret-words not allow to access from your ip"},
    }
    strange: ClassVar[list[bytes]] = [
        b"<html>",
        b"[]",
        b"{}",
        b'{"errcode": "0", "access_token": "a"}',
        b'{"errcode": 0}',
    ]

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder, authority)
        self.visible: set[str] = set()
        self.seconds = 7200
        self.ended: set[str] = set()

    def knows(self, person: str, **more: Any) -> None:
        self.people[person] = {"userid": person, "status": 1, **more}
        self.visible.add(person)

    def answer(self, asked: Asked) -> Reply:
        query = asked.query
        if asked.method != "GET":
            return Reply(200, {"errcode": 43001, "errmsg": "require GET method"})
        if asked.path == "/wwlogin/sso/login":
            return self.redirected(asked, {"login_type": "CorpApp", "appid": CLIENT, "agentid": "1000002"})
        if asked.path == "/cgi-bin/gettoken":
            if query.get("corpid") != CLIENT:
                return Reply(200, {"errcode": 40013, "errmsg": "secret-words invalid corpid"})
            if query.get("corpsecret") != self.secret:
                return Reply(200, {"errcode": 40001, "errmsg": "secret-words invalid credential"})
            token = self.token_for("")
            return Reply(200, {"errcode": 0, "errmsg": "ok", "access_token": token, "expires_in": self.seconds})
        if query.get("access_token") not in self.tokens:
            return Reply(200, {"errcode": 40014, "errmsg": "secret-words invalid access_token"})
        if query["access_token"] in self.ended:
            return Reply(200, {"errcode": 42001, "errmsg": "secret-words access_token expired"})
        if asked.path == "/cgi-bin/auth/getuserinfo":
            code = self.spent(query.get("code"))
            if code is None:
                return Reply(200, {"errcode": 40029, "errmsg": "secret-words invalid code"})
            who = {"userid": code.person} if code.person in self.people else {"openid": f"o-{code.person}"}
            return Reply(200, {"errcode": 0, "errmsg": "ok", **who})
        if asked.path == "/cgi-bin/user/get":
            if query.get("userid") not in self.people:
                return Reply(200, {"errcode": 60111, "errmsg": "secret-words userid not found"})
            if query["userid"] not in self.visible:
                return Reply(200, {"errcode": 60011, "errmsg": "secret-words no privilege to access"})
            return Reply(200, {"errcode": 0, "errmsg": "ok", **self.people[query["userid"]]})
        return Reply(404, {})


class DingTalk(StandIn):
    """Anybody signs in with a company of theirs; ours is `ding-ours`."""

    kind = "dingtalk"
    code_name = "authCode"
    fields: ClassVar[Mapping[str, Any]] = {"tenant_id": "ding-ours"}
    token_path = "/v1.0/oauth2/userAccessToken"
    refusals: ClassVar[Mapping[str, dict[str, Any]]] = {
        "busy": {"code": "Forbidden.AccessDenied.QpsLimitForApi", "message": "secret-words"},
        "permission missing": {"code": "Forbidden.AccessDenied.AccessTokenPermissionDenied", "message": "secret-words"},
    }
    strange: ClassVar[list[bytes]] = [
        b"<html>",
        b"[]",
        b"{}",
        b'{"corpId": "ding-ours"}',
        b'{"corpId": "ding-ours", "accessToken": 7}',
    ]

    def knows(self, person: str, *, company: str = "ding-ours", **more: Any) -> None:
        self.people[person] = {"corpId": company, "unionId": person, "openId": f"open-{person}", "nick": person, **more}

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/oauth2/auth":
            must = {"response_type": "code", "client_id": CLIENT, "scope": "openid corpid", "prompt": "consent"}
            return self.redirected(asked, must)
        if asked.path == "/v1.0/oauth2/userAccessToken":
            if asked.method != "POST" or not asked.headers["Content-Type"].startswith("application/json"):
                return Reply(400, {"code": "Missingbody", "message": "body is mandatory for this action"})
            said = asked.document
            if (said.get("clientId"), said.get("clientSecret")) != (CLIENT, self.secret):
                return Reply(400, {"code": "invalidClientIdOrSecret", "message": "secret-words"})
            code = self.spent(said.get("code")) if said.get("grantType") == "authorization_code" else None
            if code is None:
                return Reply(400, {"code": "invalidParameter.authCode.notFound", "message": "secret-words"})
            token = self.token_for(code.person)
            given = {"accessToken": token, "refreshToken": "r", "expireIn": 7200}
            return Reply(200, {**given, "corpId": self.people[code.person]["corpId"]})
        if asked.path == "/v1.0/contact/users/me":
            person = self.tokens.get(asked.headers.get("x-acs-dingtalk-access-token", ""))
            if person is None:
                return Reply(400, {"code": "InvalidAuthentication", "message": "secret-words"})
            return Reply(200, {n: v for n, v in self.people[person].items() if n != "corpId"})
        return Reply(404, {"code": "InvalidAction.NotFound", "message": "secret-words"})


class Feishu(StandIn):
    """An application open to some; PKCE is checked."""

    kind = "feishu"
    fields: ClassVar[Mapping[str, Any]] = {"scopes": ["contact:user.phone:readonly"]}
    token_path = "/open-apis/authen/v2/oauth/token"
    refusals: ClassVar[Mapping[str, dict[str, Any]]] = {
        "busy": {"code": 20072, "error": "temporarily_unavailable", "error_description": "secret-words"},
        "not enabled": {"code": 20069, "error": "unauthorized_client", "error_description": "secret-words"},
    }
    strange: ClassVar[list[bytes]] = [b"<html>", b"[]", b"{}", b'{"code": "0", "access_token": "a"}', b'{"code": 0}']

    def __init__(self, folder: Path, authority: Authority) -> None:
        super().__init__(folder, authority)
        self.open_to: set[str] = set()

    def knows(self, person: str, **more: Any) -> None:
        self.people[person] = {
            "union_id": person,
            "open_id": f"ou-{person}",
            "tenant_key": "ours",
            "name": person,
            **more,
        }
        self.open_to.add(person)

    def answer(self, asked: Asked) -> Reply:
        if asked.path == "/open-apis/authen/v1/authorize":
            must = {"client_id": CLIENT, "response_type": "code", "code_challenge_method": "S256"}
            return self.redirected(asked, must)
        if asked.path == "/open-apis/authen/v2/oauth/token":
            code = self._refused(asked)
            if isinstance(code, int):
                words = {"error": "invalid_grant", "error_description": "secret-words"}
                return Reply(400, {"code": code, **words})
            given = {"access_token": self.token_for(code.person), "token_type": "Bearer", "expires_in": 7200}
            return Reply(200, {"code": 0, **given})
        if asked.path == "/open-apis/authen/v1/user_info":
            person = self.tokens.get(asked.headers.get("Authorization", "").removeprefix("Bearer "))
            if person is None:
                return Reply(200, {"code": 20005, "msg": "secret-words"})
            return Reply(200, {"code": 0, "msg": "success", "data": self.people[person]})
        return Reply(404, {"code": 404, "msg": "secret-words"})

    def _refused(self, asked: Asked) -> Code | int:
        """The code, or the number of what is wrong, in the order of the description."""
        said = asked.document
        if asked.method != "POST" or not asked.headers["Content-Type"].startswith("application/json"):
            return 20063
        if said.get("grant_type") != "authorization_code":
            return 20036
        if (said.get("client_id"), said.get("client_secret")) != (CLIENT, self.secret):
            return 20002
        code = self.codes.get(said.get("code", ""))
        if code is None:
            return 20003
        if code.used or not code.is_good():
            return 20065 if code.used else 20004
        digest = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
        if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != code.asked["code_challenge"]:
            return 20049
        if said.get("redirect_uri") != code.asked["redirect_uri"]:
            return 20071
        if code.person not in self.open_to:
            return 20010
        code.used = True
        return code


STAND_INS: dict[str, type[Any]] = {"wecom": WeCom, "dingtalk": DingTalk, "feishu": Feishu}
