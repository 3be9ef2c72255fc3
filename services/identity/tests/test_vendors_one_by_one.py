"""What is particular to one of the vendors of single sign-on."""

from __future__ import annotations

import pytest
from vendor_stand_in import BACK

from crm_kit.testing import refused

pytestmark = pytest.mark.feature("IDN-04")


def only(kind: str) -> pytest.MarkDecorator:
    """A test about one vendor."""
    return pytest.mark.parametrize("vendor", [kind], indirect=True)


@only("wecom")
def test_wecom_who_is_outside_of_the_company_or_the_visible_range_is_refused(
    vendor, set_up, enter, hire, nothing_made
) -> None:
    for person in ("guest", "unseen", "gone", "left", "Another/li"):
        hire(f"user{len(person)}{person[0]}", "trainer", external_id=person)
    vendor.knows("unseen")
    vendor.visible.clear()
    vendor.knows("gone", status=2)
    vendor.knows("left", status=5)
    vendor.knows("Another/li")
    made = set_up()

    with nothing_made():
        for person in ("guest", "unseen", "gone", "left", "Another/li"):
            with refused("PERMISSION_DENIED", "SSO_OUTSIDE"):
                enter(made, person)


@only("dingtalk")
def test_dingtalk_who_comes_with_another_company_is_refused(vendor, set_up, enter, hire, root_id, nothing_made) -> None:
    hire("li", "trainer", external_id="Li-7")
    vendor.knows("Li-7", company="ding-theirs")
    vendor.knows("stranger", company="ding-theirs")
    made = set_up(create_missing=True, department_id=root_id)

    with nothing_made():
        for person in ("Li-7", "stranger"):
            with refused("PERMISSION_DENIED", "SSO_OUTSIDE"):
                enter(made, person)
    assert not vendor.asked_at("/v1.0/contact/users/me"), "they are not even asked about"


@only("feishu")
def test_feishu_whom_the_application_is_not_open_to_is_refused(vendor, set_up, enter, li, nothing_made) -> None:
    theirs = set_up(tenant_id="theirs")
    made = set_up(tenant_id="ours")
    with nothing_made():
        with refused("PERMISSION_DENIED", "SSO_OUTSIDE"):
            enter(theirs, "Li-7")
        vendor.open_to.clear()
        with refused("PERMISSION_DENIED", "SSO_OUTSIDE"):
            enter(made, "Li-7")
    vendor.open_to.add("Li-7")
    assert enter(made, "Li-7").user_id == li.id


@only("feishu")
def test_feishu_a_code_of_another_sign_in_is_refused_by_pkce(server, vendor, set_up, li) -> None:
    made = set_up()
    mine, theirs = (server.nobody.StartSingleSignOn(provider_id=made.id, redirect_uri=BACK) for _ in range(2))
    stolen = vendor.sign_in(theirs.authorization_url, "Li-7")["code"]
    sessions = server.sql("SELECT count(*) FROM session")

    with refused("UNAUTHENTICATED", "SSO_REFUSED"):
        server.nobody.FinishSingleSignOn(state=mine.state, code=stolen)
    assert server.sql("SELECT count(*) FROM session") == sessions
    assert "contact%3Auser.phone%3Areadonly" in mine.authorization_url


@only("wecom")
def test_wecom_is_asked_for_an_access_token_only_when_there_is_none_that_lives(vendor, set_up, enter, li) -> None:
    made = set_up()

    def asked() -> int:
        return len(vendor.asked_at(vendor.token_path))

    for _ in range(3):
        enter(made, "Li-7")
    assert asked() == 1
    vendor.ended |= set(vendor.tokens)
    assert enter(made, "Li-7").user_id == li.id, "WeCom ended it before its time"
    assert asked() == 2
    vendor.tokens.clear()
    assert enter(made, "Li-7").user_id == li.id, "or does not know it"
    assert asked() == 3


@only("wecom")
def test_wecom_an_access_token_that_is_over_is_not_shown_again(vendor, set_up, enter, li) -> None:
    vendor.seconds = 30
    made = set_up()

    enter(made, "Li-7")

    assert len(vendor.asked_at(vendor.token_path)) == 2, "one for each question: both were about to end"


@only("dingtalk")
def test_dingtalk_numbers_of_another_country_keep_it(admin, vendor, set_up, enter, root_id) -> None:
    vendor.knows("Tan-1", nick="Tan", mobile="91234567", stateCode="65")
    making = {"create_missing": True, "department_id": root_id, "trust_unverified": True}

    assert admin.GetUser(id=enter(set_up(**making), "Tan-1").user_id).phone == "+6591234567"
