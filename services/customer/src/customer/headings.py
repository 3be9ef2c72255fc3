"""What files of customers and contacts call things, and what stands in the example row of their templates."""

from __future__ import annotations

from collections.abc import Mapping


def _by_heading(fields: Mapping[str, str]) -> Mapping[str, str]:
    return {word: field for field, words in fields.items() for word in words.split("、")}


CUSTOMER = _by_heading(
    {
        "name": (
            "客户、客户名、客户全称、名称、公司、公司名称、公司名、公司全称、企业、企业名称、企业全称、单位、"
            "单位名称、单位全称、往来单位、往来单位名称、购货单位、customer、customer name、customer full name、"
            "company、company name、company full name、account、account name、organization、organization name"
        ),
        "short_name": "客户简称、公司简称、企业简称、单位简称、abbreviation",
        "number": (
            "客户编号、客户编码、客户代码、客户号、单位编码、往来单位编码、customer number、customer no、"
            "customer code、customer id"
        ),
        "external_id": "外部编号、外部编码、原系统编号、原编号、原客户编号、旧编号、external number、legacy id",
        "credit_code": (
            "税号、企业税号、单位税号、纳税人识别号、纳税识别号、纳税号、信用代码、社会信用代码、统一信用代码、"
            "tax id、tax no、tax number、taxpayer id、taxpayer identification number、unified social credit code、"
            "vat number"
        ),
        "level": "级别、客户等级、等级、customer level",
        "type": "类型、客户类别、客户分类、customer type",
        "relation": "关系",
        "industry": "所属行业、客户行业、行业类别",
        "scale": "规模、公司规模、人员规模",
        "source": "来源、线索来源、lead source、customer source",
        "country": "国家地区、所在国家",
        "province": "省、所在省、所在省份、state",
        "city": "市、所在城市、所在市",
        "district": "区、县、所在区县",
        "address": "详细地址、公司地址、单位地址、通讯地址、通信地址、联系地址、办公地址、客户地址、street address",
        "postcode": "邮政编码、zip、zip code、postal code",
        "phone": (
            "联系电话、公司电话、单位电话、客户电话、固定电话、办公电话、电话号码、座机、tel、telephone、"
            "telephone number、phone number、company phone"
        ),
        "mobile": "手机号、手机号码、移动电话、mobile phone、mobile number、cell phone、cellphone",
        "fax": "传真号、传真号码、公司传真、fax number",
        "email": "电子邮箱、电子邮件、邮箱地址、公司邮箱、企业邮箱、e-mail、email address、mail",
        "website": "官网、网站、公司网址、公司网站、公司主页、web site、homepage、url",
        "wechat": "微信号",
        "legal_representative": "法人、法人代表、企业法人",
        "registered_capital": "注册资金",
        "founding_date": "成立时间、注册日期、注册时间",
        "employees": "员工人数、员工数、人数、number of employees",
        "bank": "开户行、开户行名称、bank name",
        "bank_account": "账号、银行账户、银行卡号、bank account number",
        "owner_id": (
            "所有者、所有人、归属人、业务员、业务人员、业务代表、业务负责人、销售、销售员、销售人员、销售代表、"
            "销售负责人、客户经理、客户负责人、专管业务员、跟进人、跟单员、owner、salesperson、sales person、"
            "sales rep、sales representative、account manager、account owner、assigned to"
        ),
        "department_id": "部门、所在部门、归属部门、销售部门",
        "create_time": "创建日期、录入时间、录入日期、建档时间、建档日期、created、created at、creation date",
        "creator_id": "创建者、建档人、created by",
        "primaryContact.name": (
            "联系人、主要联系人、首要联系人、联系人名称、contact、contact name、contact person、primary contact"
        ),
        "primaryContact.mobile": "联系人手机号、联系人手机号码、contact mobile",
        "primaryContact.position": "联系人职务",
        "primaryContact.email": "联系人电子邮箱、contact email",
        "primaryContact.wechat": "联系人微信号",
        "remarks": "备注信息、备注说明、说明、note、notes、remark、comment、comments",
    }
)
"""Heading → field."""

CONTACT = _by_heading(
    {
        "name": "联系人、联系人姓名、联系人名称、姓名、名字、full name、contact、contact name、contact person",
        "customer_id": (
            "客户名称、客户全称、公司、公司名称、公司全称、企业名称、单位、单位名称、所属客户、所属公司、所在公司、"
            "客户编号、客户编码、客户代码、company、company name、customer name、customer number、account、"
            "account name"
        ),
        "number": "联系人编号、联系人编码、contact number",
        "external_id": "外部编号、外部编码、原系统编号、原编号、legacy id",
        "position": "职务、岗位、title、job title",
        "department": "所在部门、所属部门",
        "mobile": (
            "手机号、手机号码、移动电话、联系电话、联系人手机、联系人电话、mobile phone、mobile number、"
            "cell phone、cellphone"
        ),
        "phone": "电话号码、tel、telephone、telephone number、phone number",
        "office_phone": "座机、固定电话、公司电话、work phone、business phone",
        "email": "电子邮箱、电子邮件、邮箱地址、联系人邮箱、e-mail、email address、mail",
        "wechat": "微信号",
        "birthday": "出生日期、date of birth",
        "primary": "首要联系人、主要联系人、是否主联系人、primary contact",
        "create_time": "创建日期、录入时间、created、created at",
        "creator_id": "创建者、created by",
        "remarks": "说明、备注信息、备注说明、note、notes、remark、comment、comments",
    }
)
"""Heading → field."""

WORDS: Mapping[str, Mapping[str, str]] = {
    "kind": {
        "公司": "organization",
        "单位": "organization",
        "机构": "organization",
        "自然人": "individual",
        "company": "organization",
        "person": "individual",
    },
    "sex": {"先生": "male", "女士": "female", "m": "male", "f": "female"},
    "supply_contract": {"已签订": "signed", "签订中": "being_signed"},
    "decision_role": {"决策人": "decider", "采购": "buyer"},
}
"""Field → what people also write → the value."""

CUSTOMER_EXAMPLE: Mapping[str, tuple[str, str]] = {
    "name": ("杭州云启科技有限公司", "Hangzhou Yunqi Technology Co., Ltd."),
    "short_name": ("云启科技", "Yunqi"),
    "external_id": ("A-0001", "A-0001"),
    "credit_code": ("91310000607234515H", "91310000607234515H"),
    "type": ("企业客户", "Enterprise"),
    "level": ("重点客户", "Key"),
    "industry": ("软件和信息技术", "Software and IT"),
    "source": ("转介绍", "Referral"),
    "province": ("浙江省", "Zhejiang"),
    "city": ("杭州市", "Hangzhou"),
    "address": ("文三路 100 号", "100 Wensan Road"),
    "phone": ("0571-88886666", "0571-88886666"),
    "email": ("info@example.com", "info@example.com"),
    "website": ("www.example.com", "www.example.com"),
    "employees": ("120", "120"),
    "founding_date": ("2015-06-01", "2015-06-01"),
    "owner_id": ("", ""),
    "primary_contact.name": ("王芳", "Wang Fang"),
    "primary_contact.position": ("采购", "Purchasing"),
    "primary_contact.mobile": ("13800138000", "13800138000"),
    "primary_contact.email": ("wang@example.com", "wang@example.com"),
    "primary_contact.wechat": ("wangfang-yq", "wangfang-yq"),
    "remarks": ("本行是示例，不会导入", "This row is an example and is not imported"),
}
"""Columns of the template that come first, with what stands in its example (zh, en)."""

CONTACT_EXAMPLE: Mapping[str, tuple[str, str]] = {
    "customer_id": ("杭州云启科技有限公司", "Hangzhou Yunqi Technology Co., Ltd."),
    "name": ("王芳", "Wang Fang"),
    "primary": ("是", "yes"),
    "sex": ("女", "female"),
    "position": ("采购", "Purchasing"),
    "department": ("采购部", "Purchasing department"),
    "mobile": ("13800138000", "13800138000"),
    "office_phone": ("0571-88886666", "0571-88886666"),
    "email": ("wang@example.com", "wang@example.com"),
    "wechat": ("", ""),
    "birthday": ("1988-03-15", "1988-03-15"),
    "remarks": ("本行是示例，不会导入", "This row is an example and is not imported"),
}
"""The same for contacts."""
