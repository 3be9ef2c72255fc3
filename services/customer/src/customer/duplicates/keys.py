"""What a name is found by: keys that two names share if they may be one company's.

A key is a letter and a text, so that one index holds all of them. A core of two characters says little by itself: what
is only similar to it counts where place or trade is the same.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import islice, product

from customer import pinyin
from customer.names import HAN, Parts

FULL, PLACED, CORE, STEM, SOUND, NEAR, NEAR_HERE, DOMAIN = "f:", "a:", "c:", "s:", "p:", "x:", "y:", "d:"
STRONG = (FULL, PLACED, STEM, DOMAIN)
"""Keys that few share: what has one of them comes first."""
MOST_SOUNDS = 4
LONGEST = 24
"""Characters of a core that are looked at."""

_FOLDED = (
    ("zh", "z"), ("ch", "c"), ("sh", "s"), ("ang", "an"), ("eng", "en"), ("ing", "in"), ("lv", "lu"), ("nv", "nu"),
)  # fmt: skip
"""Sounds that people who type mix up."""

_FREE_MAIL_TEXT = """
qq.com foxmail.com vip.qq.com 163.com 126.com yeah.net vip.163.com 188.com sina.com sina.cn vip.sina.com
sohu.com 139.com 189.cn wo.cn 21cn.com tom.com aliyun.com gmail.com googlemail.com outlook.com
hotmail.com live.com live.cn msn.com yahoo.com yahoo.com.cn yahoo.cn icloud.com me.com mac.com
protonmail.com proton.me mail.com gmx.com yandex.com mail.ru 263.net 163.net eyou.com chinaren.com
"""
FREE_MAIL = frozenset(_FREE_MAIL_TEXT.split())
"""Domains under which anybody has an address: they tell nothing of a company."""
_SHARED_HOSTS_TEXT = """
taobao.com tmall.com jd.com 1688.com alibaba.com weibo.com weixin.qq.com baidu.com zhihu.com douyin.com
"""
_SHARED_HOSTS = frozenset(_SHARED_HOSTS_TEXT.split())
_SECOND_LEVEL = frozenset({"com", "net", "org", "gov", "edu", "ac", "co"})


def of(parts: Parts, short: Parts | None = None, domain: str = "") -> list[str]:
    """What a name is stored under; `short` is its short name taken apart."""
    found = _exact(parts)
    found += [SOUND + s for s in sounds(parts.core)] + _near(parts)
    if short is not None and short.core != parts.core:
        found += [CORE + short.core, *(SOUND + s for s in sounds(short.core))]
    if domain:
        found.append(DOMAIN + domain)
    return list(dict.fromkeys(found))


def asked(parts: Parts) -> list[str]:
    """What to look for: also cores that lack a character of this one, or have one more."""
    found = _exact(parts) + [SOUND + s for s in sounds(parts.core)] + _near(parts)
    core = parts.core[:LONGEST]
    if len(core) >= 3:
        found.append(NEAR + core)
    if len(core) >= 4:
        found += [CORE + one for one in _without_one(core)]
    elif parts.province and parts.trade:
        found.append(_near_here(core, parts))
        found += [f"{PLACED}{one}|{parts.province}" for one in _without_one(core) if len(one) > 1]
    return list(dict.fromkeys(found))


def strong(keys: list[str]) -> list[str]:
    """Those that few share."""
    return [k for k in keys if k.startswith(STRONG)]


def _exact(parts: Parts) -> list[str]:
    core = parts.core[:LONGEST]
    if not core:
        return []
    found = [FULL + parts.full, CORE + core]
    if parts.province:
        found.append(f"{PLACED}{core}|{parts.province}")
    if parts.trade:
        found.append(f"{STEM}{core}|{parts.trade}")
    return found


def _near(parts: Parts) -> list[str]:
    """Keys that names share whose cores differ by one character, put in, left out or changed."""
    core = parts.core[:LONGEST]
    if len(core) >= 4:
        return [NEAR + one for one in _without_one(core)]
    if len(core) < 2 or not (parts.province and parts.trade):
        return []
    return [_near_here(one, parts) for one in _without_one(core)]


def _near_here(core: str, parts: Parts) -> str:
    return f"{NEAR_HERE}{core}|{parts.province}|{parts.trade[:2]}"


def _without_one(core: str) -> list[str]:
    return list(dict.fromkeys(core[:i] + core[i + 1 :] for i in range(len(core))))


def sounds(core: str) -> list[str]:
    """How a core may be pronounced, without what people mix up; also of a core that is typed in pinyin."""
    if not HAN.search(core):
        return [folded(core[:80])] if core else []
    syllables = [tuple(dict.fromkeys(folded(s) for s in one)) for one in pinyin.readings(core[:LONGEST])]
    return list(dict.fromkeys("".join(way) for way in islice(product(*syllables), MOST_SOUNDS)))


@lru_cache(maxsize=4096)
def folded(syllable: str) -> str:
    """A syllable, or pinyin run together, without the differences that people mix up."""
    for sound, plain in _FOLDED:
        syllable = syllable.replace(sound, plain)
    return syllable


def domain_of(text: str) -> str:
    """The company's domain of a website or an address; empty where it is one that anybody may have."""
    host = text.strip().casefold().rpartition("@")[2]
    host = re.sub(r"^[a-z]+://", "", host)
    host = re.split(r"[/:?#]", host)[0].strip(".")
    labels = host.split(".")
    if len(labels) < 2 or not all(labels) or re.fullmatch(r"[\d.]+", host):
        return ""
    wide = 3 if len(labels) > 2 and labels[-2] in _SECOND_LEVEL and len(labels[-1]) == 2 else 2
    domain = ".".join(labels[-wide:])
    return "" if host in FREE_MAIL or domain in FREE_MAIL or domain in _SHARED_HOSTS else domain
