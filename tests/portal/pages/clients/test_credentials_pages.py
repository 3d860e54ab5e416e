import datetime as dt
import re

import pytest
from django.core.cache import cache
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials import secret_text
from credentials.actor import Actor
from credentials.clients import revocation
from credentials.models import AuditEvent, Client, Organization
from credentials.trail import audit
from tests.world import ApiClient, sign_in

CREDENTIALS = "/organizations/A9994/credentials"
SECRET = re.compile(r"cgs_[0-9a-f]{64}")


@pytest.fixture
def created(delegate):
    """The address of the page that shows a new client's secret."""
    response = delegate.post(f"{CREDENTIALS}/new", {"name": "Warehouse", "address_1": "8.8.8.8"})
    assert response.status_code == 302
    return response["Location"]


def test_a_client_is_created_with_up_to_eight_addresses(delegate, world):
    fields = {f"address_{slot}": f"8.8.8.{slot}" for slot in range(1, 9)}

    delegate.post(f"{CREDENTIALS}/new", {"name": "Warehouse", **fields})

    client = Client.objects.get()
    assert (client.organization, client.name, client.created_by) == (world.harbor, "Warehouse", world.delegate)
    assert [str(address) for address in client.addresses.all()] == list(fields.values())
    event = AuditEvent.objects.get(action=audit.Action.CLIENT_CREATED)
    assert (event.user, event.address) == (world.delegate, "8.8.4.4")


def test_empty_slots_between_addresses_do_not_matter(delegate):
    delegate.post(f"{CREDENTIALS}/new", {"name": "Warehouse", "address_2": " 8.8.8.8 ", "address_7": "2606:4700::1111"})

    assert [str(address) for address in Client.objects.get().addresses.all()] == ["8.8.8.8", "2606:4700::1111"]


def test_the_secret_is_shown_once(delegate, created, read):
    first, again, once_more = delegate.get(created), delegate.get(created), delegate.get(created)

    secret = SECRET.search(first.content.decode())[0]
    assert secret_text.digest(secret) == bytes(Client.objects.get().secrets.get().digest)
    for response in (again, once_more):
        assert not SECRET.search(response.content.decode())
        assert "This secret was already shown" in read(response).text
    assert Client.objects.count() == Client.objects.get().secrets.count() == 1


def test_the_page_with_the_secret_is_kept_by_nobody(delegate, created):
    response = delegate.get(created)

    assert "no-store" in response["Cache-Control"]
    assert "private" in response["Cache-Control"]


def test_the_secret_stays_on_the_server_between_the_two_requests(delegate):
    response = delegate.post(f"{CREDENTIALS}/new", {"name": "Warehouse", "address_1": "8.8.8.8"})

    sent = f"{response.content!r} {response.headers} {response.cookies} {dict(delegate.session)}"
    assert not SECRET.search(sent)


def test_another_session_of_the_same_person_is_not_shown_the_secret(browse, world, delegate, created):
    elsewhere = browse(world.delegate).get(created)

    assert not SECRET.search(elsewhere.content.decode())
    assert SECRET.search(delegate.get(created).content.decode())


def test_asking_for_the_headers_alone_does_not_use_the_secret_up(delegate, created):
    assert delegate.head(created).status_code == 405
    assert SECRET.search(delegate.get(created).content.decode())


def test_a_secret_that_nobody_came_for_is_gone(delegate, created):
    cache.clear()

    assert not SECRET.search(delegate.get(created).content.decode())


def test_what_the_page_offers_to_take_along_works(delegate, created, read):
    response = delegate.get(created)

    page = read(response)
    client_id = page.text_of["client-id"]
    secret = page.text_of["secret"]
    assert f"CLAIMSGATE_CLIENT_ID%3D{client_id}%0ACLAIMSGATE_CLIENT_SECRET%3D{secret}" in response.content.decode()
    assert 'download="warehouse.env"' in response.content.decode()
    assert page.text_of["curl"].split() == [
        *("curl", "--request", "POST", "http://testserver/auth/token", "\\"),
        *("--user", f"{client_id}:{secret}", "\\", "--data", "grant_type=client_credentials"),
    ]
    assert ApiClient(Client.objects.get(), secret).ask_for_token().status_code == 200


def test_each_problem_stands_at_its_field(delegate, read):
    response = delegate.post(
        f"{CREDENTIALS}/new", {"name": "", "address_1": "10.0.0.1", "address_3": "8.8.8.8", "address_5": "8.8.8.0/24"}
    )

    page = read(response)
    assert response.status_code == 400
    assert page.title.startswith("Error: ")
    assert page.errors_of("id_name") == "Error: Enter a name for the client."
    assert "10.0.0.1 is a private IP address" in page.errors_of("id_address_1")
    assert "8.8.8.0/24 is a range" in page.errors_of("id_address_5")
    assert "aria-invalid" not in page.by_id["id_address_3"]
    assert page.by_id["id_address_3"]["value"] == "8.8.8.8"
    for field in ("name", "address_1", "address_5"):
        assert f'href="#id_{field}"' in response.content.decode()
    assert not Client.objects.exists()
    assert not AuditEvent.objects.exists()


def test_an_address_given_twice_is_refused_where_it_is_repeated(delegate, read):
    response = delegate.post(f"{CREDENTIALS}/new", {"name": "W", "address_1": "8.8.8.8", "address_4": "::ffff:8.8.8.8"})

    assert "8.8.8.8 is already on the IP allow list." in read(response).errors_of("id_address_4")
    assert not Client.objects.exists()


def test_a_client_without_addresses_is_refused(delegate, read):
    response = delegate.post(f"{CREDENTIALS}/new", {"name": "W"})

    assert "Enter at least one IP address" in read(response).errors_of("id_address_1")
    assert not Client.objects.exists()


def test_a_name_is_refused_while_another_client_has_it(delegate, world, read):
    world.api_client(name="Warehouse")

    response = delegate.post(f"{CREDENTIALS}/new", {"name": "Warehouse", "address_1": "8.8.8.8"})

    assert "already has a client named “Warehouse”" in read(response).errors_of("id_name")
    assert Client.objects.count() == 1


def test_what_was_typed_is_shown_as_text(delegate):
    response = delegate.post(f"{CREDENTIALS}/new", {"name": "<b>", "address_1": "<script>alert(1)</script>"})

    assert "<script>alert" not in response.content.decode()


def test_addresses_are_changed(delegate, world, read):
    client = world.api_client(addresses=["8.8.8.8", "9.9.9.9"]).client
    where = f"{CREDENTIALS}/{client.client_id}/addresses"

    form = read(delegate.get(where))
    response = delegate.post(where, {"address_1": "8.8.8.8", "address_2": "1.1.1.1"}, follow=True)

    assert [form.by_id[f"id_address_{slot}"].get("value") for slot in (1, 2, 3)] == ["8.8.8.8", "9.9.9.9", None]
    assert {str(address) for address in client.addresses.all()} == {"8.8.8.8", "1.1.1.1"}
    assert "The IP allow list of “ETL” was saved." in read(response).text
    assert AuditEvent.objects.get(action=audit.Action.ADDRESSES_CHANGED).user == world.delegate


def test_when_one_address_is_refused_none_is_changed(delegate, world, read):
    client = world.api_client(addresses=["8.8.8.8"]).client

    response = delegate.post(
        f"{CREDENTIALS}/{client.client_id}/addresses", {"address_1": "1.1.1.1", "address_2": "127.0.0.1"}
    )

    assert "127.0.0.1 means “this machine”" in read(response).errors_of("id_address_2")
    assert [str(address) for address in client.addresses.all()] == ["8.8.8.8"]


def test_a_sandbox_may_list_this_machine(delegate, world):
    Organization.objects.filter(pk=world.harbor.pk).update(is_sandbox=True)

    delegate.post(f"{CREDENTIALS}/new", {"name": "Here", "address_1": "127.0.0.1"})

    assert [str(address) for address in Client.objects.get().addresses.all()] == ["127.0.0.1"]


def test_revoking_asks_first_and_says_what_it_does(delegate, world, read):
    client = world.api_client().client
    where = f"{CREDENTIALS}/{client.client_id}/revoke"

    asked = read(delegate.get(where))
    before = Client.objects.get().revoked_at
    response = delegate.post(where, follow=True)

    assert "are no longer valid from the next request on" in asked.text
    assert "can’t undo this" in asked.text
    assert before is None
    assert Client.objects.get().revoked_at is not None
    assert "“ETL” was revoked" in read(response).text
    assert AuditEvent.objects.get(action=audit.Action.CLIENT_REVOKED).user == world.delegate


def test_a_revoked_client_can_be_seen_and_not_changed(delegate, world, read):
    client = world.api_client().client
    revocation.revoke_client(client, by=Actor(user=world.delegate))

    page = delegate.get(f"{CREDENTIALS}/{client.client_id}")

    assert "Revoked" in read(page).text
    assert "/revoke" not in page.content.decode()
    for verb in ("addresses", "revoke"):
        assert delegate.get(f"{CREDENTIALS}/{client.client_id}/{verb}").status_code == 404
        assert delegate.post(f"{CREDENTIALS}/{client.client_id}/{verb}", {"address_1": "9.9.9.9"}).status_code == 404


def test_a_denied_organization_can_still_revoke(delegate, world):
    client = world.api_client().client
    Organization.objects.filter(pk=world.harbor.pk).update(status=Organization.Status.DENIED)

    delegate.post(f"{CREDENTIALS}/{client.client_id}/revoke")

    assert Client.objects.get().revoked_at is not None


def test_the_list_says_in_words_all_that_is_known_of_a_client(delegate, world, read):
    client = world.api_client(addresses=["8.8.8.8", "9.9.9.9"]).client
    Client.objects.update(last_used_at=dt.datetime(2026, 11, 22, 14, 5, tzinfo=dt.UTC), last_used_address="8.8.8.8")

    page = read(delegate.get(CREDENTIALS))

    for words in ("ETL", client.client_id, "Active", "in 90 days", "2 of 8", "Nov 22, 2026, 14:05 UTC", "from 8.8.8.8"):
        assert words in page.text


@pytest.mark.parametrize(
    ("ahead", "words"),
    [
        (dt.timedelta(days=14, minutes=1), "Active"),
        (dt.timedelta(days=14, minutes=-1), "Expires soon"),
        (dt.timedelta(minutes=-1), "Secret expired"),
    ],
)
def test_the_list_says_when_a_secret_is_about_to_end_or_has_ended(delegate, world, read, ahead, words):
    world.api_client().client.secrets.update(expires_at=timezone.now() + ahead)

    assert words in read(delegate.get(CREDENTIALS)).text


def test_the_list_asks_the_database_as_often_for_many_clients_as_for_one(delegate, world):
    world.api_client()
    with CaptureQueriesContext(connection) as for_one:
        delegate.get(CREDENTIALS)
    for number in range(5):
        world.api_client(name=f"Client {number}")

    with CaptureQueriesContext(connection) as for_six:
        delegate.get(CREDENTIALS)

    assert len(for_six) == len(for_one)


def test_a_colleague_sees_the_list_and_who_may_change_it(colleague, world, read):
    client = world.api_client().client

    listed, detail = colleague.get(CREDENTIALS), colleague.get(f"{CREDENTIALS}/{client.client_id}")

    for response in (listed, detail):
        assert "You can view this page, but you can’t change it." in read(response).text
        for verb in ("/new", "/addresses", "/revoke"):
            assert verb not in response.content.decode()


def test_forms_from_elsewhere_are_refused(world):
    browser = Browser(enforce_csrf_checks=True)
    sign_in(browser, world.delegate)

    response = browser.post(f"{CREDENTIALS}/new", {"name": "W", "address_1": "8.8.8.8"})

    assert response.status_code == 403
    assert "This form is no longer valid" in response.content.decode()
    assert not Client.objects.exists()
