"""Which IP addresses a client can call from: public, static addresses of one machine, IPv4 or IPv6. Pure.

Python's `ipaddress.is_global` is not enough: it changes between patch releases and accepts multicast, 6to4 relays and
site-local addresses. The list has all networks that the BCDA credential service refuses, and all that are in the IANA
special-purpose registries.
"""

import ipaddress
import re

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Stands for an unknown address. It belongs to no machine, so no list can have it.
UNKNOWN = "0.0.0.0"  # noqa: S104  # nothing is bound to it

_REFUSED: tuple[tuple[str, str], ...] = (
    ("0.0.0.0/8", "means “this network”"),
    ("10.0.0.0/8", "is a private IP address: it works only inside a network"),
    ("100.64.0.0/10", "is an IP address that an internet provider shares among its customers"),
    ("127.0.0.0/8", "means “this machine”"),
    ("169.254.0.0/16", "is link-local: it works only on one network segment"),
    ("172.16.0.0/12", "is a private IP address: it works only inside a network"),
    ("192.0.0.0/24", "is reserved for protocols"),
    ("192.0.2.0/24", "is reserved for documentation"),
    ("192.31.196.0/24", "is reserved for name servers"),
    ("192.52.193.0/24", "is reserved for multicast tunnels"),
    ("192.88.99.0/24", "belongs to 6to4 relays"),
    ("192.168.0.0/16", "is a private IP address: it works only inside a network"),
    ("192.175.48.0/24", "is reserved for name servers"),
    ("198.18.0.0/15", "is reserved for network measurements"),
    ("198.51.100.0/24", "is reserved for documentation"),
    ("203.0.113.0/24", "is reserved for documentation"),
    ("224.0.0.0/4", "is multicast: it is for a group, not for one machine"),
    ("240.0.0.0/4", "is reserved"),
    ("::/128", "means “no address”"),
    ("::1/128", "means “this machine”"),
    ("64:ff9b::/96", "is the IPv6 form of an IPv4 address: use the IPv4 address"),
    ("64:ff9b:1::/48", "works only inside a network"),
    ("100::/64", "is reserved for discarding traffic"),
    ("2001::/23", "is reserved for protocols, such as Teredo"),
    ("2001:db8::/32", "is reserved for documentation"),
    ("2002::/16", "is 6to4: use the IPv4 address"),
    ("2620:4f:8000::/48", "is reserved for name servers"),
    ("3fff::/20", "is reserved for documentation"),
    ("5f00::/16", "is reserved for segment routing"),
    ("fc00::/7", "is a private IP address: it works only inside a network"),
    ("fe80::/10", "is link-local: it works only on one network segment"),
    ("fec0::/10", "is site-local: it works only inside a network"),
    ("ff00::/8", "is multicast: it is for a group, not for one machine"),
)
REFUSED_NETWORKS: tuple[tuple[Network, str], ...] = tuple((ipaddress.ip_network(net), why) for net, why in _REFUSED)

# The only part of IPv6 that is assigned to machines on the internet.
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")


def canonical(text: str) -> str:
    """Return the canonical form: `::FFFF:8.8.8.8` becomes `8.8.8.8`. Raises ValueError for anything else."""
    address: Address = ipaddress.ip_address(text.strip())
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id is not None:
            raise ValueError("has a zone: it works only on one network segment")
        address = address.ipv4_mapped or address
    return str(address)


# As proxies write a hop: an IPv4 address, with or without a port, or an IPv6 address, in brackets if it has a port.
_HOP = re.compile(
    r"(?P<v4>[0-9.]+)(:\d{1,5})?|\[(?P<bracketed>[0-9A-Fa-f:.]+)\](:\d{1,5})?|(?P<v6>[0-9A-Fa-f:.]+)", re.ASCII
)
# A link-local address of a peer has its network interface after a %. It is left out.
_ZONE = re.compile(r"(?i)^(fe[89ab][0-9a-f]:[0-9a-f:]+)%[\w.-]{1,32}", re.ASCII)


def of_hop(text: str) -> str:
    """Return the IP address of a hop, as a connection or a proxy writes it; UNKNOWN if it is not one address.

    Some load balancers write `8.8.8.8:1234` and `[2606:4700::1111]:443`. Both are accepted. `unknown`, `unix:`, `_name`
    and everything else is not (RFC 7239, section 6).
    """
    if (found := _HOP.fullmatch(_ZONE.sub(r"\1", text.strip()))) is None:
        return UNKNOWN
    try:
        return canonical(next(filter(None, found.group("v4", "bracketed", "v6"))))
    except ValueError:
        return UNKNOWN


def is_loopback(text: str) -> bool:
    """Return True for an address of this machine; `text` is canonical."""
    return ipaddress.ip_address(text).is_loopback


def problem(text: str, *, allows_loopback: bool = False) -> str | None:
    """Return why `text` can't be on an IP allow list, as a sentence; None if it can."""
    text = text.strip()
    if "/" in text:
        return f"{text} is a range. Enter one IP address for each system that calls the API."
    try:
        address: Address = ipaddress.ip_address(canonical(text))
    except ValueError:
        return f"“{text}” is not an IP address. Use the format 8.8.4.4 or 2606:4700::1111."
    if allows_loopback and address.is_loopback:
        return None
    for network, why in REFUSED_NETWORKS:
        if address.version == network.version and address in network:
            return f"{address} {why}. Enter the public IP address that your system calls from."
    if isinstance(address, ipaddress.IPv6Address) and address not in _GLOBAL_UNICAST:
        return f"{address} is not assigned for use on the internet. Enter the public IP address of your system."
    return None
