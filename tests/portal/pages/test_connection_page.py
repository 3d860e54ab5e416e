"""The page on which a delegate finds out why a system cannot connect, and what the overview says of it."""

import datetime as dt

import pytest
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from credentials.actor import Actor
from credentials.clients import revocation
from credentials.models import AuditEvent, Client, Organization
from credentials.trail import audit
from tests.world import ApiClient

PAGE = "/organizations/A9994/connection"


def refused(organization, client, *, address, reason="address_not_allowed", ago=dt.timedelta(minutes=5), **detail):
    return AuditEvent.objects.create(
        action=audit.Action.TOKEN_REFUSED,
        outcome=AuditEvent.Outcome.DENIED,
        organization=organization,
        client=client,
        address=address,
        occurred_at=timezone.now() - ago,
        detail={"reason": reason, **detail},
    )


def test_it_says_from_where_we_see_one_and_on_whose_list_that_is(delegate, world, read):
    world.api_client(name="Claims warehouse", addresses=["8.8.4.4", "9.9.9.9"])
    world.api_client(name="Vendor", addresses=["9.9.9.9"])
    revocation.revoke_client(world.api_client(name="Gone", addresses=["8.8.4.4"]).client, by=Actor(user=world.delegate))
    world.api_client(world.mesa, name="Of a stranger", addresses=["8.8.4.4"])

    page = read(delegate.get(PAGE))

    assert page.text_of["address"] == "8.8.4.4"
    assert "On the IP allow list of Claims warehouse" in page.text
    assert "Not on the IP allow list of Vendor" in page.text
    for hidden in ("Gone", "Of a stranger"):
        assert hidden not in page.text


def test_an_address_that_no_list_could_hold_is_explained(delegate, read):
    page = read(delegate.get(PAGE, REMOTE_ADDR="192.168.3.4"))

    assert "Your IP address is 192.168.3.4" in page.text
    assert "This IP address can’t be on an IP allow list. 192.168.3.4 is a private IP address" in page.text


def test_it_shows_what_a_machine_can_run(delegate, read, world):
    page = read(delegate.get(PAGE))

    assert page.text_of["seen"] == "curl http://testserver/auth/connection"
    assert Browser(REMOTE_ADDR="8.8.8.8").get("/auth/connection").json()["address"] == "8.8.8.8"
    assert "$CLAIMSGATE_CLIENT_ID:$CLAIMSGATE_CLIENT_SECRET" in page.text_of["token"]
    assert "You don’t have any clients yet" in page.text
    assert "No refused calls" in page.text


def test_a_call_from_an_address_off_the_list_is_seen_at_once_with_the_way_to_let_it_in(delegate, world, read):
    api = world.api_client(name="Vendor")
    for _ in range(3):
        ApiClient(api.client, api.secret, address="9.9.9.9").ask_for_token()

    response = delegate.get(PAGE)

    page = read(response)
    assert "The client called from an IP address that isn’t on its IP allow list." in page.text
    assert "9.9.9.9" in page.text
    link = f"/organizations/A9994/credentials/{api.client.client_id}/addresses?add=9.9.9.9"
    assert f'href="{link}"' in response.content.decode()
    form = read(delegate.get(link))
    assert [form.by_id[f"id_address_{slot}"].get("value") for slot in (1, 2, 3)] == ["8.8.8.8", "9.9.9.9", None]
    assert "9.9.9.9 is filled in but not saved yet." in form.text
    assert [str(address) for address in api.client.addresses.all()] == ["8.8.8.8"]


def test_calls_are_added_up_by_reason_and_address_the_unlisted_first(delegate, world, read):
    client = world.api_client(name="Vendor").client
    for more in (None, 11, 1200):
        refused(world.harbor, client, address="9.9.9.9", **({"more": more} if more else {}))
    refused(world.harbor, client, address="8.8.8.8", reason="secret_expired", ago=dt.timedelta(minutes=1))
    refused(world.harbor, client, address="9.9.9.9", ago=dt.timedelta(days=8))
    refused(world.mesa, world.api_client(world.mesa, name="Theirs").client, address="1.1.1.1")

    text = read(delegate.get(PAGE)).text

    assert "1,212" in text
    assert text.index("isn’t on its IP allow list") < text.index("The client secret had expired.")
    assert "1.1.1.1" not in text
    assert "Theirs" not in text


@pytest.mark.parametrize("address", ["10.1.2.3", "2001:db8::1", "127.0.0.1"])
def test_an_address_that_may_not_be_listed_has_no_link(delegate, world, read, address):
    refused(world.harbor, world.api_client().client, address=address)

    response = delegate.get(PAGE)

    assert address in read(response).text
    assert "?add=" not in response.content.decode()


@pytest.mark.parametrize("add", ["10.0.0.1", "8.8.8.8", "9.9.9.0/24", "<script>", "::ffff:8.8.8.8", ""])
def test_only_a_public_address_that_is_not_listed_is_filled_in(delegate, world, read, add):
    client = world.api_client().client

    response = delegate.get(f"/organizations/A9994/credentials/{client.client_id}/addresses", {"add": add})

    page = read(response)
    assert [page.by_id[f"id_address_{slot}"].get("value") for slot in (1, 2)] == ["8.8.8.8", None]
    assert "<script>" not in response.content.decode()


def test_a_full_list_says_that_another_address_has_to_go(delegate, world, read):
    client = world.api_client(addresses=[f"8.8.8.{number}" for number in range(1, 9)]).client

    page = read(delegate.get(f"/organizations/A9994/credentials/{client.client_id}/addresses?add=9.9.9.9"))

    assert "The list already has eight IP addresses. To add 9.9.9.9, replace one of them." in page.text


def test_a_colleague_sees_the_refusals_and_no_way_to_change_the_list(colleague, world, read):
    refused(world.harbor, world.api_client(name="Vendor").client, address="9.9.9.9")

    response = colleague.get(PAGE)

    assert "9.9.9.9" in read(response).text
    assert "?add=" not in response.content.decode()


def test_a_reason_that_nobody_has_put_into_words_is_told_as_it_is(delegate, world, read):
    refused(world.harbor, world.api_client().client, address="9.9.9.9", reason="moon_is_full")

    assert "Moon is full." in read(delegate.get(PAGE)).text


def test_it_asks_the_database_as_often_for_many_refusals_as_for_one(delegate, world):
    refused(world.harbor, world.api_client().client, address="9.9.9.9")
    with CaptureQueriesContext(connection) as for_one:
        delegate.get(PAGE)
    for number in range(9):
        refused(world.harbor, world.api_client(name=f"Client {number}").client, address=f"9.9.9.{number}")

    with CaptureQueriesContext(connection) as for_ten:
        delegate.get(PAGE)

    assert len(for_ten) == len(for_one)


# --- What the overview says of it, and of what else needs doing -----------------------------------------------------


def overview(delegate, read) -> str:
    return read(delegate.get("/organizations/A9994")).text


def test_the_overview_tells_of_calls_refused_in_the_last_day(delegate, world, read):
    client = world.api_client().client
    refused(world.harbor, client, address="9.9.9.9", more=41)
    refused(world.harbor, client, address="9.9.9.9")
    refused(world.harbor, client, address="9.9.9.9", ago=dt.timedelta(hours=25))

    assert "42 calls from your clients were refused in the last 24 hours. View reasons" in overview(delegate, read)


def test_the_overview_leads_to_where_a_secret_is_rotated(delegate, world, read):
    client = world.api_client().client
    client.secrets.update(expires_at=timezone.now() + dt.timedelta(days=9))

    response = delegate.get("/organizations/A9994")

    assert "The secret for ETL expires in 9 days. Rotate secret" in read(response).text
    assert f"/credentials/{client.client_id}/rotate" in response.content.decode()


@pytest.mark.parametrize(("created", "words"), [(8, "ETL has never been used."), (6, None)])
def test_the_overview_asks_whether_a_client_that_was_never_used_is_needed(delegate, world, read, created, words):
    world.api_client()
    Client.objects.update(created=timezone.now() - dt.timedelta(days=created))

    text = overview(delegate, read)

    assert (words in text) if words else ("Needs attention" not in text)


@pytest.mark.parametrize(("used", "words"), [(61, "ETL was last used 61 days ago."), (59, None)])
def test_the_overview_asks_whether_a_client_that_is_not_used_any_more_is_needed(delegate, world, read, used, words):
    world.api_client()
    Client.objects.update(last_used_at=timezone.now() - dt.timedelta(days=used))

    text = overview(delegate, read)

    assert (words in text) if words else ("Needs attention" not in text)


def test_the_overview_warns_when_the_old_secret_is_still_in_use_shortly_before_its_end(delegate, world, read):
    client = world.api_client().client
    delegate.post(f"/organizations/A9994/credentials/{client.client_id}/rotate", {"overlap": "24"})
    early = overview(delegate, read)
    client.secrets.exclude(replaced_at=None).update(last_used_at=timezone.now())

    late = overview(delegate, read)

    assert "The old secret for ETL expires in 23 hours. View client" in early
    assert "and it was used less than a minute ago. Add the new secret to its system." in late


def test_of_many_warnings_the_overview_shows_the_worst_and_counts_the_others(delegate, world, read):
    for number in range(7):
        world.api_client(name=f"Client {number}").client.secrets.update(
            expires_at=timezone.now() + dt.timedelta(days=3)
        )
    world.api_client(name="Old").client.secrets.update(expires_at=timezone.now() - dt.timedelta(days=3))

    text = overview(delegate, read)

    assert text.index("Old can’t sign in: its secret expired 3 days ago.") < text.index("The secret for Client 0")
    assert "And 3 more. View all clients" in text


def test_a_colleague_is_told_who_can_do_something_about_it(colleague, world, read):
    world.api_client().client.secrets.update(expires_at=timezone.now() - dt.timedelta(days=3))

    response = colleague.get("/organizations/A9994")

    assert "To manage API credentials, you need the role Credential Delegate." in read(response).text
    assert "/rotate" not in response.content.decode()


def test_a_denied_organization_is_not_asked_to_rotate(delegate, world, read):
    world.api_client().client.secrets.update(expires_at=timezone.now() - dt.timedelta(days=3))
    Organization.objects.update(status=Organization.Status.DENIED)

    assert "/rotate" not in delegate.get("/organizations/A9994").content.decode()
