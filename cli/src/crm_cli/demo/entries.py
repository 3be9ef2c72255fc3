"""Dictionary codes that the demo uses; those that are there already are taken as they are."""

from crm_cli.importers.dictionaries import Entry

Entries = dict[tuple[str, str], tuple[Entry, ...]]

ENTRIES: Entries = {
    ("opportunity", "lost_reason"): (
        Entry("price", "价格过高", "Price"),
        Entry("competitor", "输给竞争对手", "Lost to a competitor"),
        Entry("no_budget", "预算取消", "No budget"),
        Entry("no_decision", "项目搁置", "No decision"),
        Entry("product_fit", "产品不符", "Product does not fit"),
    ),
    ("opportunity", "opportunity_source"): (
        Entry("referral", "转介绍", "Referral"),
        Entry("exhibition", "展会", "Exhibition"),
        Entry("website", "官网", "Web site"),
        Entry("cold_call", "电话开发", "Cold call"),
        Entry("customer", "老客户", "Existing customer"),
    ),
    ("product", "unit"): tuple(Entry(name, name, name) for name in ("套", "台", "个", "米", "组", "年", "次")),
}
SERVICE_ENTRIES: Entries = {
    ("service_request", "service_kind"): (
        Entry("repair", "维修", "Repair"),
        Entry("consultation", "咨询", "Consultation"),
        Entry("installation", "安装调试", "Installation"),
        Entry("maintenance", "保养", "Maintenance"),
        Entry("complaint", "投诉", "Complaint"),
    ),
    ("service_request", "service_channel"): (
        Entry("phone", "电话", "Phone"),
        Entry("wechat", "微信", "WeChat"),
        Entry("mail", "邮件", "Mail"),
        Entry("web", "网站", "Web site"),
    ),
}
