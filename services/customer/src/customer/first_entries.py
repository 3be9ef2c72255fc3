"""The dictionaries that a new installation starts with; administrators add, rename, order and retire entries."""

from __future__ import annotations

from crm_kit.rpc import Call
from crm_records import seed
from crm_records.seed import Entry
from customer.churn import first_entries as churn
from customer.lifecycle import first_entries as lifecycle

DICTIONARIES: dict[str, list[Entry]] = {
    "customer_type": [
        ("enterprise", "企业客户", "Enterprise"),
        ("government", "政府机构", "Government"),
        ("institution", "事业单位", "Public institution"),
        ("distributor", "渠道客户", "Channel"),
        ("individual", "个人客户", "Individual"),
        ("other", "其他", "Other"),
    ],
    "customer_level": [
        ("key", "重点客户", "Key"),
        ("a", "A 级", "A"),
        ("b", "B 级", "B"),
        ("c", "C 级", "C"),
    ],
    "customer_relation": [
        ("large", "大客户", "Large"),
        ("medium", "中客户", "Medium"),
        ("small", "小客户", "Small"),
        ("new", "新客户", "New"),
        ("familiar", "熟客户", "Familiar"),
        ("developing", "在开发", "Being developed"),
        ("to_develop", "待开发", "To be developed"),
    ],
    "industry": [
        ("manufacturing", "制造业", "Manufacturing"),
        ("software", "软件和信息技术", "Software and IT"),
        ("telecommunications", "电信", "Telecommunications"),
        ("finance", "金融业", "Finance"),
        ("retail", "批发和零售", "Wholesale and retail"),
        ("construction", "建筑业", "Construction"),
        ("real_estate", "房地产业", "Real estate"),
        ("transport", "交通运输和物流", "Transport and logistics"),
        ("energy", "电力和能源", "Energy"),
        ("agriculture", "农林牧渔", "Agriculture"),
        ("medical", "医疗卫生", "Medical"),
        ("education", "教育", "Education"),
        ("media", "文化和传媒", "Culture and media"),
        ("services", "商务服务", "Business services"),
        ("government", "公共管理", "Public administration"),
        ("other", "其他", "Other"),
    ],
    "ownership_kind": [
        ("state", "国有企业", "State-owned"),
        ("private", "民营企业", "Private"),
        ("foreign", "外商独资", "Foreign-owned"),
        ("joint_venture", "中外合资", "Sino-foreign joint venture"),
        ("collective", "集体企业", "Collective"),
        ("listed", "上市公司", "Listed"),
    ],
    "business_form": [
        ("limited", "有限责任公司", "Limited company"),
        ("joint_stock", "股份有限公司", "Joint-stock company"),
        ("joint_venture", "合资经营", "Joint venture"),
        ("partnership", "合伙企业", "Partnership"),
        ("sole", "个体工商户", "Sole trader"),
    ],
    "company_scale": [
        ("large", "大型", "Large"),
        ("medium", "中型", "Medium"),
        ("small", "小型", "Small"),
        ("micro", "微型", "Micro"),
    ],
    "trade_standing": [("leading", "领先", "Leading"), ("middle", "居中", "Middle"), ("last", "末流", "Last")],
    "country": [
        ("CN", "中国", "China"),
        ("HK", "中国香港", "Hong Kong, China"),
        ("MO", "中国澳门", "Macao, China"),
        ("TW", "中国台湾", "Taiwan, China"),
        ("US", "美国", "United States"),
        ("JP", "日本", "Japan"),
        ("KR", "韩国", "Korea"),
        ("DE", "德国", "Germany"),
        ("GB", "英国", "United Kingdom"),
        ("SG", "新加坡", "Singapore"),
    ],
    "region": [
        ("north", "华北", "North China"),
        ("northeast", "东北", "North-east China"),
        ("east", "华东", "East China"),
        ("central", "华中", "Central China"),
        ("south", "华南", "South China"),
        ("southwest", "西南", "South-west China"),
        ("northwest", "西北", "North-west China"),
        ("overseas", "海外", "Overseas"),
    ],
    "sales_channel": [
        ("direct", "直销", "Direct"),
        ("distributor", "经销", "Distributor"),
        ("online", "网络", "Online"),
        ("agent", "代理", "Agent"),
    ],
    "registration_channel": [
        ("manual", "手工录入", "By hand"),
        ("import", "导入", "Import"),
        ("web", "网站", "Web site"),
        ("api", "接口", "API"),
        ("mobile", "移动端", "Mobile"),
    ],
    "customer_source": [
        ("referral", "转介绍", "Referral"),
        ("exhibition", "展会", "Exhibition"),
        ("advertising", "广告", "Advertising"),
        ("website", "官网", "Web site"),
        ("cold_call", "电话开发", "Cold call"),
        ("partner", "合作伙伴", "Partner"),
        ("other", "其他", "Other"),
    ],
    "taxpayer_kind": [
        ("general", "一般纳税人", "General taxpayer"),
        ("small_scale", "小规模纳税人", "Small-scale taxpayer"),
    ],
    "credit_rating": [("aaa", "AAA", "AAA"), ("aa", "AA", "AA"), ("a", "A", "A"), ("b", "B", "B"), ("c", "C", "C")],
    "payment_attitude": [
        ("prompt", "及时", "Prompt"),
        ("ordinary", "一般", "Ordinary"),
        ("slow", "拖欠", "Slow"),
        ("bad", "恶意拖欠", "Bad"),
    ],
    "contact_position": [
        ("chairman", "董事长", "Chairman"),
        ("general_manager", "总经理", "General manager"),
        ("marketing_director", "营销负责人", "Head of marketing"),
        ("market_manager", "市场负责人", "Market manager"),
        ("publicity", "宣传负责人", "Publicity"),
        ("chief_engineer", "总工程师", "Chief engineer"),
        ("liaison", "联络人", "Liaison"),
        ("hr", "人力资源", "Human resources"),
        ("purchasing", "采购", "Purchasing"),
        ("finance", "财务", "Finance"),
        ("staff", "职员", "Staff"),
    ],
    "education": [
        ("doctor", "博士", "Doctorate"),
        ("master", "硕士", "Master"),
        ("bachelor", "本科", "Bachelor"),
        ("college", "大专", "College"),
        ("high_school", "高中及以下", "High school or less"),
    ],
    "behaviour_kind": [
        ("view", "浏览", "View"),
        ("click", "点击", "Click"),
        ("search", "搜索", "Search"),
        ("cart", "加入购物车", "Put into the cart"),
        ("buy", "购买", "Buy"),
        ("open_mail", "打开邮件", "Open a mail"),
        ("share", "分享", "Share"),
        ("login", "登录", "Log in"),
    ],
    "interaction_kind": [
        ("call", "电话", "Call"),
        ("visit", "拜访", "Visit"),
        ("meeting", "会议", "Meeting"),
        ("mail", "邮件", "Mail"),
        ("wechat", "微信", "WeChat"),
        ("other", "其他", "Other"),
    ],
    "demand_kind": [
        ("information", "信息发布", "Information publishing"),
        ("advertising", "广告", "Advertising"),
        ("periodical", "刊物", "Periodical"),
        ("other", "其他", "Other"),
    ],
    **lifecycle.DICTIONARIES,
    **churn.DICTIONARIES,
}


def seed_dictionaries(call: Call) -> None:
    """Run after every migration."""
    seed.dictionary_entries(call, DICTIONARIES)
    lifecycle.seed_rule(call)
    churn.seed_rule(call)
