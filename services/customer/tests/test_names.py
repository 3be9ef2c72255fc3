"""Company names taken apart."""

from __future__ import annotations

import pytest

from customer import names
from customer.duplicates import keys

pytestmark = pytest.mark.feature("CUS-05")


@pytest.mark.parametrize(
    ("name", "core", "places", "trade", "form", "branch"),
    [
        ("上海宝山钢铁股份有限公司", "宝山", ("上海",), "钢铁", "股份有限公司", ""),
        ("（上海）华信信息技术有限公司", "华信", ("上海",), "信息技术", "有限公司", ""),
        ("华信信息技术（上海）有限公司", "华信", ("上海",), "信息技术", "有限公司", ""),
        ("华信信息技术【上海市】有限责任公司", "华信", ("上海",), "信息技术", "有限责任公司", ""),
        ("上海市华信达科技有限公司北京分公司", "华信达", ("上海",), "科技", "有限公司", "北京分公司"),
        ("华信北京分公司", "华信", (), "", "", "北京分公司"),
        ("江苏省苏州工业园区星海贸易有限公司", "星海", ("江苏", "苏州"), "贸易", "有限公司", ""),
        ("苏州市吴江区盛泽镇恒力纺织厂", "恒力", ("苏州", "吴江"), "纺织", "厂", ""),
        ("海尔集团股份有限公司", "海尔", (), "", "集团股份有限公司", ""),
        ("杭州（原余杭）娃哈哈集团公司", "娃哈哈", ("杭州",), "", "集团公司", ""),
        ("東方電氣股份有限公司", "东方", (), "电气", "股份有限公司", ""),
        ("ＨＵＡＷＥＩ　技术有限公司", "huawei", (), "技术", "有限公司", ""),
        ("ACME (Shanghai) Trading Co., Ltd.", "acme", ("上海",), "trading", "coltd", ""),
        ("Siemens AG", "siemens", (), "", "ag", ""),
        # A name that would be only place and trade keeps what it has.
        ("阿坝旅游有限公司", "阿坝", (), "旅游", "有限公司", ""),
        ("上海安吉达科技有限公司", "安吉达", ("上海",), "科技", "有限公司", ""),
        ("上海区块链科技有限公司", "区块链", ("上海",), "科技", "有限公司", ""),
        ("有限公司", "有限公司", (), "", "", ""),
    ],
)
def test_a_name_has_a_place_a_core_a_trade_a_form_and_a_branch(
    name: str, core: str, places: tuple[str, ...], trade: str, form: str, branch: str
) -> None:
    parts = names.take_apart(name)

    assert (parts.core, parts.places, parts.trade, parts.form, parts.branch) == (core, places, trade, form, branch)


@pytest.mark.parametrize(
    "text", ["", "   ", "***", "（）", "()", "-", "𠮷", "A", "省", "市有限公司", "分公司", "公司分公司"]
)
def test_what_is_not_understood_is_no_error(text: str) -> None:
    assert names.take_apart(text).branch in ("", "分公司")


@pytest.mark.parametrize(
    "other",
    ["上海 华信（科技）有限公司", "上海华信(科技)有限公司", "上海華信【科技】有限公司", "上海华信科技有限公司 "],
)
def test_width_brackets_spaces_and_traditional_characters_make_no_other_name(other: str) -> None:
    assert names.key(other) == names.key("上海华信科技有限公司")


def test_a_place_tells_its_province() -> None:
    assert names.take_apart("昆山好孩子集团有限公司").province == "江苏"
    assert names.take_apart("中国石油集团有限公司").province == ""


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("https://www.Acme.com.cn/about?x=1", "acme.com.cn"),
        ("shop.acme.com", "acme.com"),
        ("zhang@acme.cn", "acme.cn"),
        ("zhang@qq.com", ""),
        ("zhang@vip.163.com", ""),
        ("https://acme.taobao.com", ""),
        ("192.168.0.1:8080", ""),
        ("none", ""),
        ("", ""),
    ],
)
def test_the_domain_is_a_companys_own(text: str, domain: str) -> None:
    assert keys.domain_of(text) == domain


def test_cores_that_people_mix_up_when_typing_sound_the_same() -> None:
    assert set(keys.sounds("森盛")) & set(keys.sounds("深圣"))
    assert set(keys.sounds("长信")) & set(keys.sounds("常鑫"))
    assert set(keys.sounds("长信")) & set(keys.sounds("张鑫"))
    assert not set(keys.sounds("华信")) & set(keys.sounds("天达"))
