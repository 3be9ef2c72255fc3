"""Pinyin of names, loaded when the first name is written: the tables weigh more than the rest of the service.

The table of phrases would take 40 MiB more and still not know every name, so a name is found by each reading that
its characters may have (长江: changjiang and zhangjiang); the reading shown is right for the common words below.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from itertools import chain, combinations, islice
from typing import Any

os.environ.setdefault("PYPINYIN_NO_PHRASES", "true")
os.environ.setdefault("PYPINYIN_NO_DICT_COPY", "true")

WORDS = {
    "重庆": ["chong", "qing"],
    "长江": ["chang", "jiang"],
    "长春": ["chang", "chun"],
    "长沙": ["chang", "sha"],
    "长城": ["chang", "cheng"],
    "长安": ["chang", "an"],
    "长虹": ["chang", "hong"],
    "长治": ["chang", "zhi"],
    "厦门": ["xia", "men"],
    "银行": ["yin", "hang"],
    "行业": ["hang", "ye"],
    "乐清": ["yue", "qing"],
    "音乐": ["yin", "yue"],
    "六安": ["lu", "an"],
    "蚌埠": ["beng", "bu"],
    "台州": ["tai", "zhou"],
    "朝阳": ["chao", "yang"],
    "会计": ["kuai", "ji"],
    "番禺": ["pan", "yu"],
    "东莞": ["dong", "guan"],
    "调味": ["tiao", "wei"],
    "单县": ["shan", "xian"],
    "大厦": ["da", "sha"],
    "重工": ["zhong", "gong"],
    "传奇": ["chuan", "qi"],
    "曾": ["zeng"],
    "欧阳": ["ou", "yang"],
    "有限": ["you", "xian"],
    "责任": ["ze", "ren"],
    "公司": ["gong", "si"],
    "股份": ["gu", "fen"],
    "合伙": ["he", "huo"],
    "集团": ["ji", "tuan"],
    "科技": ["ke", "ji"],
    "贸易": ["mao", "yi"],
    "会展": ["hui", "zhan"],
    "咨询": ["zi", "xun"],
    "广告": ["guang", "gao"],
    "石油": ["shi", "you"],
    "车辆": ["che", "liang"],
    "汽车": ["qi", "che"],
    "仪表": ["yi", "biao"],
    "石家庄": ["shi", "jia", "zhuang"],
    "都市": ["du", "shi"],
    "成都": ["cheng", "du"],
    "首都": ["shou", "du"],
    "大连": ["da", "lian"],
    "大学": ["da", "xue"],
    "大夫": ["dai", "fu"],
    "率先": ["shuai", "xian"],
    "高校": ["gao", "xiao"],
    "学校": ["xue", "xiao"],
    "丽水": ["li", "shui"],
    "铅山": ["yan", "shan"],
    "洪洞": ["hong", "tong"],
    "浚县": ["xun", "xian"],
    "歙县": ["she", "xian"],
    "黄陂": ["huang", "pi"],
    "涡阳": ["guo", "yang"],
    "莘县": ["shen", "xian"],
    "莘庄": ["xin", "zhuang"],
    "阿房": ["e", "pang"],
    "东阿": ["dong", "e"],
    "万俟": ["mo", "qi"],
    "尉迟": ["yu", "chi"],
    "长孙": ["zhang", "sun"],
    "澹台": ["tan", "tai"],
}
"""Words of company and personal names whose characters have several readings, with the right one."""
MISREAD = frozenset(
    [
        "重庆",
        "单县",
        "乐清",
        "六安",
        "番禺",
        "蚌埠",
        "台州",
        "丽水",
        "铅山",
        "洪洞",
        "浚县",
        "歙县",
        "黄陂",
        "涡阳",
        "莘县",
        "莘庄",
        "东阿",
        "东莞",
        "厦门",
        "朝阳",
        "长沙",
        "长春",
    ]
)
"""Places whose characters people read as in other words: they are typed in these readings, too."""
_BY_FIRST = {w[0]: sorted((x for x in WORDS if x[0] == w[0]), key=len, reverse=True) for w in WORDS}
_SURNAMES = """
单shan 解xie 查zha 区ou 仇qiu 朴piao 盖ge 冼xian 种chong 繁po 覃qin 折she 黑he 秘bi 乐yue 员yun 贠yun
缪miao 翟zhai 召shao 纪ji 任ren 华hua 过guo 那na 能nai 谌chen 隗wei 祭zhai 都du 隽juan 么yao 宁ning
句gou 莘shen 牟mou 粘nian 曲qu 燕yan 葛ge 石shi 盛sheng 沈shen 卜bu 车che 柏bai 薄bo 臧zang 侯hou 尹yin
应ying 冯feng 俞yu 于yu 令ling 郗xi 洗xian 逄pang 晁chao 宿su 干gan 强qiang 哈ha 长zhang 重chong 行xing
会kuai 褚chu 阚kan 佴nai 厍she 撒sa 适kuo 相xiang 訾zi 郇xun 眭sui 呙guo 晟cheng 盍he
"""
SURNAMES = {one[0]: one[1:] for one in _SURNAMES.split()}
"""How a character is read where it is a surname, and the name begins with it."""
_COMPOUND = """
欧阳 司马 上官 诸葛 东方 皇甫 尉迟 公孙 慕容 令狐 司徒 夏侯 端木 百里 呼延 南宫 宇文 长孙 轩辕 独孤 申屠
万俟 澹台 公冶 濮阳 淳于 太叔 仲孙 钟离 闻人 赫连 鲜于 闾丘 亓官 西门 东郭 第五 拓跋 宗政 完颜 纳兰
"""
COMPOUND_SURNAMES = frozenset(_COMPOUND.split())
MOST_READINGS = 16
"""Spellings of one name that are searched for."""


@lru_cache(maxsize=10_000)
def of(text: str, person: bool = False) -> tuple[str, str]:
    """(full pinyin without tones, initials) as it is read; letters and digits stand for themselves.

    The name of a `person` begins with a surname.
    """
    first = [syllables[0] for syllables in readings(text, person)]
    return "".join(first)[:500], "".join(s[0] for s in first)[:200]


def spellings(text: str) -> list[str]:
    """Every pinyin and every row of initials that somebody may type for a name."""
    ways = list(islice(_ways(readings(text)), MOST_READINGS))
    return list(dict.fromkeys(["".join(w) for w in ways] + ["".join(s[0] for s in w) for w in ways]))


def _ways(syllables: tuple[tuple[str, ...], ...]) -> Iterator[list[str]]:
    """The likeliest reading first, then those that differ from it in one character, then in two."""
    likely = [one[0] for one in syllables]
    other = [(i, s) for i, one in enumerate(syllables) for s in one[1:]]
    yield likely
    for changes in chain(combinations(other, 1), combinations(other, 2)):
        way = list(likely)
        for i, syllable in changes:
            way[i] = syllable
        yield way


@lru_cache(maxsize=10_000)
def readings(text: str, person: bool = False) -> tuple[tuple[str, ...], ...]:
    """The readings of each character, the likeliest first."""
    found = _syllables(text)
    begins_word = any(text.startswith(w) for w in _BY_FIRST.get(text[:1], ()))
    surname = SURNAMES.get(text[:1]) if found and not begins_word else None
    if surname is None:
        return found
    rest = tuple(s for s in found[0] if s != surname)
    return ((surname, *rest) if person else (*rest[:1], surname, *rest[1:]) if rest else (surname,), *found[1:])


def _syllables(text: str) -> tuple[tuple[str, ...], ...]:
    found: list[tuple[str, ...]] = []
    place = 0
    while place < len(text):
        word = next((w for w in _BY_FIRST.get(text[place], ()) if text.startswith(w, place)), None)
        if word:
            found += _of_misread(word) if word in MISREAD else [(s,) for s in WORDS[word]]
            place += len(word)
            continue
        if known := _of_character(text[place]):
            found.append(known)
        place += 1
    return tuple(found)


def _of_misread(word: str) -> list[tuple[str, ...]]:
    """The right reading of each character of a word first, then its others."""
    return [tuple(dict.fromkeys((s, *_of_character(c)))) for c, s in zip(word, WORDS[word], strict=True)]


@lru_cache(maxsize=8192)
def _of_character(character: str) -> tuple[str, ...]:
    """Its readings; a letter or digit stands for itself, anything else for nothing."""
    from pypinyin import Style, pinyin

    known: list[Any] = pinyin(character, style=Style.NORMAL, heteronym=True, errors="ignore")
    if known:
        # Beyond the second, readings are those of dictionaries, not of names.
        return tuple(dict.fromkeys(r.lower() for r in known[0][:2]))
    return (character.lower(),) if character.isalnum() else ()
