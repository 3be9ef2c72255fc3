"""Dictionary codes that the demo uses. A suite starts with them; where somebody took one out, it is added."""

from crm_cli.importers.dictionaries import Entry

Entries = dict[tuple[str, str], tuple[Entry, ...]]

ENTRIES: Entries = {
    ("opportunity", "lost_reason"): (
        Entry("price", "价格", "Price"),
        Entry("competitor", "竞争对手", "Competitor"),
        Entry("budget", "预算", "Budget"),
        Entry("no_demand", "需求取消", "Demand gone"),
        Entry("not_agreed", "未达成一致", "Not agreed"),
    ),
    ("opportunity", "opportunity_source"): (
        Entry("existing_customer", "老客户", "Existing customer"),
        Entry("referral", "转介绍", "Referral"),
        Entry("exhibition", "展会", "Exhibition"),
        Entry("website", "官网", "Web site"),
        Entry("cold_call", "电话开发", "Cold call"),
    ),
    ("product", "unit"): (
        Entry("piece", "个", "Piece"),
        Entry("set", "套", "Set"),
        Entry("unit", "台", "Unit"),
        Entry("meter", "米", "Metre"),
        Entry("day", "天", "Day"),
        Entry("year", "年", "Year"),
    ),
}
SERVICE_ENTRIES: Entries = {
    ("service_request", "service_kind"): (
        Entry("consultation", "咨询", "Consultation"),
        Entry("complaint", "投诉", "Complaint"),
        Entry("fault", "故障", "Fault"),
        Entry("on_site", "上门", "On-site service"),
    ),
    ("service_request", "service_channel"): (
        Entry("phone", "电话", "Telephone"),
        Entry("mail", "邮件", "Mail"),
        Entry("wechat", "微信", "WeChat"),
        Entry("web", "网站", "Web site"),
    ),
}
