"""Company names taken apart: 上海 (place) 华信 (core, 字号) 信息技术 (trade) 有限公司 (form) 北京分公司 (branch).

Two companies are told apart by the core first, then by place and trade; the form is what people leave out. Names in
Latin letters are taken apart by words. A name that is only place and trade keeps what it has as its core.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from customer import places
from customer.traditional import SIMPLIFIED

HAN = re.compile(r"[\u3400-\u9fff]")
_BRACKETS = str.maketrans("【〔［「『《〈[{<】〕］」』》〉]}>", "(" * 10 + ")" * 10)

_FORMS = """
有限责任公司 股份有限公司 股份合作公司 特殊普通合伙 股份公司 有限公司 有限合伙 普通合伙 合伙企业
个体工商户 个人独资企业 专业合作社 农民专业合作社 联合公司 责任公司 总公司 分公司 公司 股份 集团 总厂
工厂 厂 经营部 工作室 事务所 合作社 商行 总店
"""
FORMS = tuple(_FORMS.split())
_BRANCHES = """
分公司 子公司 分店 分行 支行 分部 分厂 分院 分校 分社 办事处 营业部 代表处 联络处 分理处 事业部 专卖店
"""
BRANCHES = tuple(_BRANCHES.split())
_TRADES = """
科技 技术 信息 信息技术 网络 网络科技 信息科技 软件 电子 电子商务 商务 电器 电气 电力 电缆 电线 电机
电源 电池 电讯 通信 通讯 贸易 商贸 外贸 经贸 工贸 进出口 国际贸易 实业 工业 企业 产业 投资 资产 资本
基金 金融 担保 典当 租赁 融资租赁 保险 证券 期货 财务 会计 咨询 顾问 管理 企业管理 管理咨询 策划 服务
商业 商厦 百货 超市 连锁 控股 发展 开发 建设 建筑 建筑工程 工程 工程技术 装饰 装潢 装修 装饰工程 设计
园林 绿化 景观 市政 路桥 公路 房地产 地产 置业 物业 物业管理 房产 房地产开发 机械 机电 机床 重工 设备
机械设备 机电设备 仪器 仪表 仪器仪表 自动化 智能 智能科技 智能装备 装备 工具 模具 五金 轴承 阀门 泵业
电梯 制冷 空调 暖通 制造 加工 制品 金属 金属制品 钢铁 钢结构 铝业 铜业 有色金属 矿业 煤业 煤炭 石油 石化
化工 化学 化学工业 材料 新材料 建材 水泥 玻璃 陶瓷 塑料 塑胶 塑业 橡胶 涂料 油漆 胶粘 包装 包装材料 印刷
印务 纸业 造纸 文具 办公用品 家具 家居 家私 木业 门窗 门业 灯饰 照明 光电 光学 光伏 半导体 集成电路 芯片
能源 新能源 环保 环保科技 环境 环境科技 水务 燃气 热力 节能 汽车 汽车销售 汽车服务 汽车配件 汽配 摩托车
船舶 航空 航天 铁路 物流 运输 货运 快递 速递 供应链 仓储 国际货运代理 货运代理 国际物流 供应链管理 医药
药业 制药 生物 生物科技 生物技术 医疗 医疗器械 医疗科技 器械 健康 健康管理 保健 美容 化妆品 日化 护理
养老 食品 饮料 饮品 酒业 茶业 茶叶 乳业 粮油 粮食 油脂 餐饮 餐饮管理 餐饮服务 酒店 酒店管理 宾馆 旅游
旅行社 国际旅行社 农业 农业科技 农业发展 农牧 牧业 林业 渔业 水产 种业 饲料 肥业 农资 养殖 纺织 印染
服装 服饰 制衣 鞋业 皮具 皮革 针织 家纺 珠宝 首饰 钟表 眼镜 礼品 工艺品 玩具 体育 体育用品 文化 文化传播
文化传媒 传媒 传播 广告 广告传媒 影视 影视文化 影业 动漫 游戏 音乐 娱乐 出版 教育 教育科技 教育咨询 培训
学校 人力资源 劳务 劳务派遣 安防 保安 安全技术 检测 检测技术 认证 拍卖 知识产权 专利 数码 数据 大数据
云计算 物联网 互联网 系统 系统集成 系统工程 计算机 电脑 集成 国际 环球贸易 股份 控股集团 用品 产品
材料科技 消防 消防工程 门窗工程 科技发展 技术开发 技术服务 科贸 技贸 信息服务 网络技术 电子科技 电子技术
生态 生态农业 生态科技
"""
TRADES = frozenset(_TRADES.split())
"""What a company does."""
_LONGEST_TRADE = max(map(len, TRADES))
_DISTRICT = re.compile(r"[\u3400-\u9fff]{2,4}?(?:新区|开发区|工业园区|工业园|园区|高新区|区|县|镇|乡|旗)(?=.{2})")
_NO_DISTRICT = re.compile(r".*(?:小区|社区|景区|片区|校区|库区|山区|战区|特区)$")
_LATIN_FORMS_TEXT = """
co company ltd limited inc incorporated corp corporation llc llp lp plc gmbh ag kg sa sas sarl srl spa
bv nv kk oy ab as aps pte pty sdn bhd group holding holdings
"""
_LATIN_FORMS = frozenset(_LATIN_FORMS_TEXT.split())
_LATIN_BRANCHES = frozenset({"branch", "office"})
_LATIN_TRADES_TEXT = """
technology technologies tech trading trade industrial industry industries international information
software electronics electronic electric electrical machinery equipment engineering construction
chemical chemicals pharmaceutical pharmaceuticals logistics transport energy power materials material
steel metal metals textile garment foods food media consulting consultancy management services service
investment investments development import export manufacturing products systems solutions network
networks digital science biotech medical auto automobile automotive packaging printing design and & of
the
"""
_LATIN_TRADES = frozenset(_LATIN_TRADES_TEXT.split())
_PUNCTUATION = re.compile(r"[^\w\u3400-\u9fff]+")


@dataclass(frozen=True, slots=True)
class Parts:
    """A company name taken apart. Places are without 省, 市, 区 and in the order in which they stand."""

    full: str
    """The whole name in one spelling: width, case, brackets and spaces do not count."""
    core: str
    places: tuple[str, ...] = ()
    trade: str = ""
    form: str = ""
    branch: str = ""
    group: bool = False

    @property
    def province(self) -> str:
        """The province of its places; empty where the name does not say."""
        return next((p for place in self.places if (p := places.PROVINCE[place])), "")

    @property
    def city(self) -> str:
        """The first place below a province; empty where the name does not say."""
        return next((p for p in self.places if places.PROVINCE[p] not in ("", p)), "")


def normal(text: str) -> str:
    """One spelling: half width, lower case, simplified, round brackets, no more than one space."""
    text = unicodedata.normalize("NFKC", text).translate(_BRACKETS).translate(SIMPLIFIED).casefold()
    return " ".join(text.split())


def key(text: str) -> str:
    """What two names must have in common to be the same name: letters, digits and characters alone."""
    return _PUNCTUATION.sub("", normal(text)).replace("_", "")


@lru_cache(maxsize=20_000)
def take_apart(name: str) -> Parts:
    """The parts of a name. Never fails: what is not understood is the core."""
    text = normal(name)
    return _han(text, key(name)) if HAN.search(text) else _latin(text, key(name))


def _han(text: str, full: str) -> Parts:
    found: list[str] = []
    text, forms = _brackets(text.replace(" ", ""), found)
    text = _PUNCTUATION.sub("", text)
    text, branch = _branch(text)
    text, form = _form(text)
    forms.append(form)
    text, in_front = _places(text)
    while in_front and _too_short(_without_trades(text), in_front[-1]):
        text = in_front.pop() + text
    core, trade = _trade(text, forms)
    core, trade = (core, trade) if core else (trade or full, "")
    form = "".join(forms)
    return Parts(
        full=full,
        core=core,
        places=(*in_front, *found),
        trade=trade,
        form=form,
        branch=branch,
        group="集团" in form,
    )


def _brackets(text: str, found: list[str]) -> tuple[str, list[str]]:
    """Take what stands in brackets out: places, forms, former names; anything else stays in its place."""
    forms: list[str] = []

    def out(match: re.Match[str]) -> str:
        inside = match[1]
        rest, here = _places(inside)
        if here and not rest:
            found.extend(here)
            return ""
        if inside in FORMS or inside in ("筹", "集团公司"):
            forms.append(inside)
            return ""
        return "" if re.match("原|曾用名|旧名", inside) else inside

    return re.sub(r"\(([^()]*)\)", out, text), forms


def _branch(text: str) -> tuple[str, str]:
    """(the name of the whole, the branch): 华信有限公司北京分公司, 华信北京分公司."""
    word = next((b for b in BRANCHES if text.endswith(b) and len(text) > len(b) + 1), "")
    if not word:
        return text, ""
    rest = text[: -len(word)]
    head, company, where = rest.rpartition("公司")
    if company and head:
        return head + company, where + word
    place, length = places.at_end(rest)
    if place and length < len(rest):
        return rest[:-length], place + word
    return rest, word


def _form(text: str) -> tuple[str, str]:
    """Take the legal forms off the end, as many as there are: 集团 股份有限公司."""
    taken = ""
    while True:
        word = next((f for f in FORMS if text.endswith(f)), "")
        if not word or len(text) - len(word) < 2:
            return text, taken
        text, taken = text[: -len(word)], word + taken


def _places(text: str) -> tuple[str, list[str]]:
    """Take places off the beginning: 江苏省苏州市工业园区."""
    found: list[str] = []
    while True:
        place, length = places.at_start(text)
        if place:
            found.append(place)
            text = text[length:]
            continue
        district = _DISTRICT.match(text) if found else None
        if district is None or len(_without_trades(text[district.end() :])) < 2 or _NO_DISTRICT.match(district[0]):
            return text, found
        text = text[district.end() :]


def _trade(text: str, forms: list[str]) -> tuple[str, str]:
    """(core, trade): trades are taken off the end as long as a core of two characters is left."""
    core, trade = text, ""
    while len(core) > 3:
        word = "集团" if core.endswith("集团") else _trade_at_end(core)
        if not word or len(core) - len(word) < 2:
            break
        core = core[: -len(word)]
        if word == "集团":
            forms.append(word)
        else:
            trade = word + trade
    return core, trade


def _too_short(rest: str, place: str) -> bool:
    """Whether what stood behind a place cannot be a core, so that the place is part of it: 安吉达, 阿坝旅游."""
    return not rest or (len(rest) == 1 and place not in places.LARGE)


def _without_trades(text: str) -> str:
    while word := "集团" if text.endswith("集团") else _trade_at_end(text):
        text = text[: -len(word)]
    return text


def _trade_at_end(text: str) -> str:
    for length in range(min(_LONGEST_TRADE, len(text)), 1, -1):
        if text[-length:] in TRADES:
            return text[-length:]
    return ""


def _latin(text: str, full: str) -> Parts:
    words = [w for w in re.split(r"[^\w&']+", text.replace(".", "")) if w]
    found, trade, form = [], [], []
    branch = next((w for w in words if w in _LATIN_BRANCHES), "")
    left = [w for w in words if w != branch]
    core = []
    for word in " ".join(left).replace("hong kong", "hongkong").split():
        if word in places.ENGLISH and (place := places.ENGLISH[word]):
            found.append(place)
        elif word in _LATIN_FORMS:
            form.append(word)
        elif word in _LATIN_TRADES:
            trade.append(word)
        else:
            core.append(word)
    whole = core or trade or found or form or words
    return Parts(
        full=full,
        core=key("".join(whole)),
        places=tuple(found) if core or trade else (),
        trade="".join(trade) if core else "",
        form="".join(form),
        branch=branch,
        group="group" in form,
    )
