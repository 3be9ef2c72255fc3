"""Company register lookup. Who looks is asked by the contract; the register itself knows no scopes."""

from __future__ import annotations

from crm.customer.v1 import company_register_pb2 as pb
from crm_kit import errors
from crm_kit.rpc import Call
from crm_records import paging, writing
from customer.register import takeovers
from customer.register.provider import configured


class CompanyRegisterServicer:
    """Asks the register that is set up."""

    def SearchRegisteredCompanies(
        self, call: Call, request: pb.SearchRegisteredCompaniesRequest
    ) -> pb.SearchRegisteredCompaniesResponse:
        name = writing.given(request)["name"]
        found = configured().search(call, name, paging.page_size(request), request.page_token)
        return pb.SearchRegisteredCompaniesResponse(
            registered_companies=found.companies, next_page_token=found.next_token, capped=found.capped
        )

    def GetRegisteredCompany(self, call: Call, request: pb.GetRegisteredCompanyRequest) -> pb.RegisteredCompany:
        found = configured().facts(call, writing.given(request)["credit_code"])
        if found is None:
            raise errors.NotFound()
        return found

    def TakeOverRegisteredCompany(
        self, call: Call, request: pb.TakeOverRegisteredCompanyRequest
    ) -> pb.TakeOverRegisteredCompanyResponse:
        return takeovers.take_over(call, request)

    def ListRegisterTakeovers(
        self, call: Call, request: pb.ListRegisterTakeoversRequest
    ) -> pb.ListRegisterTakeoversResponse:
        return takeovers.listed(call, request)
