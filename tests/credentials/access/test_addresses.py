import pytest

from credentials.access import addresses


@pytest.mark.parametrize(
    "text",
    ["8.8.8.8", "1.1.1.1", " 9.9.9.9 ", "2606:4700:4700::1111", "::ffff:8.8.8.8", "198.17.255.255", "192.0.1.1"],
)
def test_a_public_address_may_be_listed(text):
    assert addresses.problem(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0", "10.0.0.1", "100.64.0.1", "127.0.0.1", "169.254.169.254", "172.31.255.255", "192.0.0.9",
        "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.7", "203.0.113.9", "224.0.0.1",
        "239.1.1.1", "240.0.0.1", "255.255.255.255", "::", "::1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1",
        "2001::1", "2001:1::1", "2001:db8::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd12::1",
        "fe80::1", "fec0::1", "ff02::1", "ff0e::1", "::8.8.8.8", "::ffff:10.0.0.1", "4000::1",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused_with_the_reason(text):
    problem = addresses.problem(text)

    assert problem is not None
    assert problem.endswith(".")


@pytest.mark.parametrize(
    "text", ["", "asdf", "256.0.0.1", "8.8.8", "8.8.8.8:443", "08.8.8.8", "fe80::1%eth0", "2606:4700::1%1", "1e100"]
)
def test_what_is_not_an_address_is_refused(text):
    assert "is not an IP address" in addresses.problem(text)


def test_a_range_is_refused_and_the_reason_says_what_to_give():
    assert "one IP address for each" in addresses.problem("8.8.8.0/24")


@pytest.mark.parametrize("text", ["127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_is_listed_only_where_it_is_allowed(text):
    assert addresses.problem(text, allows_loopback=True) is None
    assert addresses.problem(text, allows_loopback=False) is not None


def test_private_addresses_are_refused_even_where_loopback_is_allowed():
    assert addresses.problem("10.0.0.1", allows_loopback=True) is not None


@pytest.mark.parametrize(
    ("text", "canonical"),
    [("::ffff:8.8.8.8", "8.8.8.8"), ("2606:4700:0:0::1111", "2606:4700::1111"), (" 8.8.8.8", "8.8.8.8")],
)
def test_there_is_one_way_to_write_an_address(text, canonical):
    assert addresses.canonical(text) == canonical
