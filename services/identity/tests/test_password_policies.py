"""Password policies: which holds for whom, and what they refuse."""

from datetime import timedelta

import pytest

from crm_kit.testing import refused
from identity import known_bad, tries

PASSWORD = "Right-Horse-7"  # of the administrator, see conftest.py

pytestmark = pytest.mark.feature("IDN-01")


@pytest.fixture
def root_policy(admin):
    (policy,) = admin.ListPasswordPolicies(fields="*").password_policies
    return policy


@pytest.fixture
def set_policy(admin, root_policy):
    """Change the policy of the root."""

    def change(**fields):
        etag = admin.GetPasswordPolicy(id=root_policy.id).etag
        policy = {"id": root_policy.id, **fields}
        return admin.UpdatePasswordPolicy(password_policy=policy, update_mask={"paths": list(fields)}, etag=etag)

    return change


def new_password(client, password, old=PASSWORD):
    return client.ChangePassword(old_password=old, new_password=password)


def test_the_root_has_a_policy_from_the_start_that_cannot_be_deleted(admin, root_id, root_policy):
    assert (root_policy.department_id, root_policy.min_length) == (root_id, 8)
    assert (root_policy.character_classes, root_policy.history) == (2, 5)
    with refused("FAILED_PRECONDITION", "ROOT_POLICY"):
        admin.DeletePasswordPolicy(id=root_policy.id, etag=root_policy.etag)


def test_the_nearest_policy_up_the_tree_holds_and_it_is_said_why(admin, hire, root_id, sign_in):
    east = admin.CreateDepartment(department={"name": "华东", "parent_id": root_id})
    team = admin.CreateDepartment(department={"name": "上海组", "parent_id": east.id})
    admin.CreatePasswordPolicy(password_policy={"department_id": east.id, "min_length": 12})
    li = hire("li", "trainer", department_id=team.id)

    told = sign_in("li").GetEffectivePasswordPolicy(user_id=li.id)
    above = admin.GetEffectivePasswordPolicy(user_id=admin.user_id)

    assert (told.policy.min_length, told.department_name, list(told.department_path)) == (
        12,
        "华东",
        ["上海组", "华东"],
    )
    assert told.reason == "上海组没有自己的密码策略，沿用上级“华东”的策略"
    assert (above.policy.min_length, above.reason) == (8, "公司自己的密码策略")
    with refused("INVALID_ARGUMENT", "INVALID", "newPassword") as refusal:
        new_password(sign_in("li"), "Short-One-7")
    assert refusal.fields["newPassword"] == "新密码至少 12 个字符"


def test_without_the_right_to_read_people_one_knows_only_ones_own_policy(admin, hire, sign_in):
    hire("li", "trainer")

    with refused("PERMISSION_DENIED", "RIGHT_MISSING"):
        sign_in("li").GetEffectivePasswordPolicy(user_id=admin.user_id)


def test_a_department_has_one_policy_and_with_it_is_not_deleted(admin, root_id):
    east = admin.CreateDepartment(department={"name": "华东", "parent_id": root_id})
    admin.CreatePasswordPolicy(password_policy={"department_id": east.id})

    with refused("ALREADY_EXISTS", "EXISTS", "departmentId"):
        admin.CreatePasswordPolicy(password_policy={"department_id": east.id})
    with refused("FAILED_PRECONDITION", "DEPENDED_ON"):
        admin.DeleteDepartment(id=east.id, etag=east.etag)


@pytest.mark.parametrize(
    ("field", "value"),
    [("min_length", 7), ("min_length", 129), ("character_classes", 5), ("history", 25), ("expiry_days", 0)],
)
def test_a_policy_out_of_bounds_is_refused(set_policy, field, value):
    with refused("INVALID_ARGUMENT"):
        set_policy(**{field: value})


def test_a_policy_is_written_only_within_ones_departments(admin, employ, root_id):
    east = admin.CreateDepartment(department={"name": "华东", "parent_id": root_id})
    clerk = employ("clerk", ["password_policy.*", "department.read"], "department_tree", department_id=east.id)

    with refused("INVALID_ARGUMENT", "INVALID", "departmentId"):
        clerk.CreatePasswordPolicy(password_policy={"department_id": root_id})
    assert clerk.CreatePasswordPolicy(password_policy={"department_id": east.id}).department_id == east.id


def test_classes_history_and_words_are_asked(set_policy, admin):
    set_policy(character_classes=4, history=2, own_words=["Thunderbird", "云启"])

    for wrong, reason in [
        ("only-small-letters-1", "新密码须含小写字母、大写字母、数字、其他字符中的至少 4 种"),
        ("Thunderbird-12", "新密码不能主要由用户名、姓名、公司名或禁用词组成"),
        (PASSWORD, "新密码不能与原密码相同"),
    ]:
        with refused("INVALID_ARGUMENT", "INVALID", "newPassword") as refusal:
            new_password(admin, wrong)
        assert refusal.fields["newPassword"] == reason
    new_password(admin, "Second-Horse-8")
    with refused("INVALID_ARGUMENT", "INVALID", "newPassword") as again:
        new_password(admin, PASSWORD, old="Second-Horse-8")
    new_password(admin, "Third-Horse-9", old="Second-Horse-8")

    assert again.fields["newPassword"] == "新密码最近用过"
    assert new_password(admin, PASSWORD, old="Third-Horse-9").access_token


def test_an_administrators_password_may_be_none_of_the_last_either(admin, hire):
    li = hire("li", "trainer")

    with refused("INVALID_ARGUMENT", "INVALID", "newPassword"):
        admin.SetPassword(id=li.id, new_password=PASSWORD)


def test_a_changed_policy_acts_on_the_next_password_not_on_the_present_one(set_policy, sign_in):
    set_policy(min_length=30)

    assert sign_in("admin").GetMe().username == "admin"
    with refused("INVALID_ARGUMENT", "INVALID", "newPassword"):
        new_password(sign_in("admin"), "Another-Word-8")


def test_an_expired_password_lets_in_only_to_change_it(server, set_policy, sign_in, monkeypatch):
    set_policy(expiry_days=90)
    assert not sign_in("admin").tokens.must_change_password
    now = tries.now()
    monkeypatch.setattr(tries, "now", lambda: now + timedelta(days=91))

    late = sign_in("admin")

    assert late.tokens.must_change_password
    with refused("PERMISSION_DENIED", "PASSWORD_CHANGE_REQUIRED"):
        late.ListPeople()
    refreshed = server.nobody.Refresh(refresh_token=late.tokens.refresh_token)
    with refused("PERMISSION_DENIED", "PASSWORD_CHANGE_REQUIRED"):
        server.client(refreshed.access_token).ListPeople()
    changed = new_password(server.client(refreshed.access_token, admin_id := late.user_id), "Fresh-Horse-12")
    assert server.client(changed.access_token, admin_id).ListPeople().people


def test_first_passwords_of_an_import_obey_the_policy_of_each_department(admin, root_id):
    east = admin.CreateDepartment(department={"name": "华东", "parent_id": root_id})
    admin.CreatePasswordPolicy(password_policy={"department_id": east.id, "min_length": 20})
    rows = [
        {"username": "oyx", "name": "欧阳修", "department_id": root_id},
        {"username": "li", "name": "李四", "department_id": root_id},
        {"username": "wang", "name": "王五", "department_id": east.id},
    ]

    answer = admin.ImportUsers(users=rows, initial_password="Ouyangxiu-2026")

    assert [r.outcome for r in answer.results] == ["failed", "created", "failed"]
    assert [p.field for r in answer.results for p in r.problems] == ["initialPassword", "initialPassword"]
    with refused("INVALID_ARGUMENT", "INVALID", "initialPassword"):
        admin.ImportUsers(users=rows, initial_password="short")


@pytest.mark.parametrize(
    "password",
    [
        "Password2024!",
        "woaini1314",
        "1qaz2wsx",
        "P@ssw0rd",
        "qwertyuiop",
        "zxcvbnm123456",
        "88888888",
        "12121212",
        "abcdefgh",
        "asdfasdf",
        "987654321",
        "GuanLiYuan",
    ],
)
def test_common_passwords_rows_of_the_keyboard_and_repetitions_are_known(password):
    assert known_bad.is_common(password) or known_bad.is_monotonous(password)


@pytest.mark.parametrize(
    "password", [PASSWORD, "Very-First-1", "the-administrators-own", "马到成功-骑自行车", "k7#Qm2xv"]
)
def test_others_are_not(password):
    assert not known_bad.is_common(password)
    assert not known_bad.is_monotonous(password)


@pytest.mark.parametrize(
    ("username", "name", "password"),
    [
        ("zs", "张三丰", "zhangsanfeng88"),
        ("zs", "张三丰", "SanfengZhang1!"),
        ("zs", "单田芳", "shantianfang1"),
        ("wang.fang", "王芳", "wangfang2026"),
        ("longusername", "李雷", "LongUserName"),
    ],
)
def test_the_user_name_and_the_name_in_pinyin_count_for_nothing(username, name, password):
    assert known_bad.leans_on(password, known_bad.of_person(username, name))


def test_the_name_of_the_company_counts_for_nothing(server, admin):
    server.sql("UPDATE department SET name = '上海钢铁' WHERE parent_id IS NULL")

    with refused("INVALID_ARGUMENT", "INVALID", "newPassword") as refusal:
        new_password(admin, "ShanghaiGangtie-1")

    assert refusal.fields["newPassword"] == "新密码不能主要由用户名、姓名、公司名或禁用词组成"


def test_the_list_can_be_switched_off(set_policy, admin):
    set_policy(allow_known_bad=True)

    assert new_password(admin, "Password1").access_token
