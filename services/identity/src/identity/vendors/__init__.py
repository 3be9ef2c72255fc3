"""Providers with a protocol of their own: WeCom, DingTalk and Feishu, as their published descriptions have it.

None of them signs what it says as OpenID Connect does: it is believed because it comes over TLS from an address that
an administrator set, or the vendor's own. None says that it verified an e-mail address or a number.
"""

from __future__ import annotations

from identity.vendors.dingtalk import DingTalk
from identity.vendors.feishu import Feishu
from identity.vendors.vendor import Vendor
from identity.vendors.wecom import WeCom

VENDORS: dict[str, Vendor] = {"wecom": WeCom(), "dingtalk": DingTalk(), "feishu": Feishu()}
