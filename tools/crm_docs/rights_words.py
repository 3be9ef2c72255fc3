"""What docs/rights.md says between its tables, and how it names resources, actions and roles: in two languages."""

from __future__ import annotations

from crm_docs.contract import record_types
from crm_kit import contract
from identity.builtin import BuiltIn
from identity.rights import ACTIONS, RESOURCES


class Words:
    """The English page: it goes by the names that programs use."""

    head = """# Rights

[中文](rights.zh-CN.md)

<!-- Made by `make docs` from the option `rule` in protos/ and from identity's built-in roles. Changes belong there. -->

Three questions are asked before anything is read or changed, in the service that owns the data:

1. **May this person do this?** A right is `resource.action`. A person has the rights of all their roles, and personal
   grants and denials on top; a denial wins. `resource.*` and `*` stand for all.
2. **On which records?** The scope of each role for each resource; of several roles the union. What lies
   outside is `NOT_FOUND`, for reading, listing, searching, counting, changing and in reports alike.
3. **Which fields?** A role's field rules hide, mask, close or require fields, in all states of a record or in some; of
   several roles the most open rule ([field rules](guide/field-rules.md)). The scope `customer_brief` is the few
   fields of customers beyond one's own scope.

| scope | the records |
| --- | --- |
| `self` | one's own |
| `subordinates` | one's own, those of everybody below, and what is nobody's in departments one manages and below |
| `department` | of the people of one's department, and of the department itself |
| `department_tree` | the same with all departments below |
| `chosen` | of the departments named |
| `all` | all |

A record belongs to where its owner is now; one without an owner to its department. Moving a person or a department
changes who sees what within two seconds, without touching the records. Whoever belongs to the team of a record reaches
it besides, to read or to read and write, until a moment or for good; deleting and assigning stay with the scope.
"""
    roles = ("## Built-in roles", "Administrators may change them; nobody deletes them.")
    role_columns = ("code", "name", "scope", "scope of some resources", "fields")
    one_resource = (
        "## Rights of one resource",
        "A right without an address is there to be given; no RPC of this release asks it.",
    )
    right_columns = ("right", "asked by", "held by")
    every_resource = ("## Rights of every resource", "`{record_type}` is the record type in the address.")
    without = "## Without a right"
    signed_in = "Signed in is enough: {addresses}. What each reaches, its comment says."
    public = "Nobody needs to be signed in: {addresses}."
    more = " (more of it)"
    comma, semicolon, colon = ", ", "; ", ": "

    def resource(self, resource: str) -> str:
        return resource

    def right(self, right: str) -> str:
        return f"`{right}`"

    def role(self, role: BuiltIn) -> str:
        return f"`{role.code}`"


class ChineseWords(Words):
    """The Chinese page: it goes by the names that administrators see, beside those that programs use."""

    head = """# 权限

[English](rights.md)

<!-- 由 `make docs` 根据 protos/ 中的选项 `rule` 和身份服务的内置角色生成，请在那里修改。 -->

读取或修改任何内容之前，由拥有数据的服务问三个问题：

1. **这个人可以做这件事吗？** 权限写作 `资源.动作`。一个人拥有其所有角色的权限，另加个人的授予和禁止；禁止优先。
   `资源.*` 和 `*` 代表全部。
2. **对哪些记录？** 每个角色对每种资源的数据范围；有几个角色时取并集。
   范围之外的一律是 `NOT_FOUND`，读取、列表、搜索、计数、修改和报表都一样。
3. **哪些字段？** 角色的字段规则可以使字段隐藏、脱敏、只读或必填，对记录的所有状态或某些状态有效；
   有几个角色时取最宽的规则（[字段规则](guide/field-rules.zh-CN.md)）。
   范围 `customer_brief`（客户概要）是自己范围之外的客户的少数几个字段。

| 范围 | 记录 |
| --- | --- |
| `self` 本人 | 自己的 |
| `subordinates` 本人及下属 | 自己的，汇报线上所有下级的，以及自己任负责人的部门及其下级部门中没有负责人的 |
| `department` 本部门 | 本部门人员的，以及部门本身的 |
| `department_tree` 本部门及下属部门 | 同上，并含所有下属部门 |
| `chosen` 指定部门 | 所列部门的 |
| `all` 全部 | 全部 |

记录属于其负责人现在所在之处；没有负责人的属于其部门。人或部门移动后，谁能看到什么在两秒内随之变化，记录本身不动。记录的相关团队成员也能
看到它，只读或读写，到某一时刻为止或长期有效；删除和分配仍只属于数据范围包含它的人。
"""
    roles = ("## 内置角色", "管理员可以修改，谁也不能删除。")
    role_columns = ("代码", "名称", "范围", "部分资源的范围", "字段")
    one_resource = ("## 各种资源的权限", "没有地址的权限可以授予，但本版本没有操作需要它。")
    right_columns = ("权限", "需要它的操作", "拥有它的角色")
    every_resource = ("## 所有资源共有的权限", "`{record_type}` 是地址中的记录类型。")
    without = "## 不需要权限"
    signed_in = "登录即可：{addresses}。各自能看到什么，见其说明。"
    public = "无需登录：{addresses}。"
    more = "（有它则范围更大）"
    comma, semicolon, colon = "、", "；", "："

    def resource(self, resource: str) -> str:
        types = record_types()
        label = contract.record(types[resource]).zh if resource in types else RESOURCES.get(resource, ("",))[0]
        return f"{label} {resource}".strip()

    def right(self, right: str) -> str:
        action = right.partition(".")[2]
        return f"`{right}` {ACTIONS[action][0]}"

    def role(self, role: BuiltIn) -> str:
        return role.name


EN, ZH = Words(), ChineseWords()
