//! Whose request it is, is what the connection and the trusted proxies say, and nothing of what
//! anybody else wrote: neither an untrusted peer's `X-Forwarded-For`, nor what stands left of the
//! first untrusted hop, nor a `Forwarded`.
//!
//! Input: the peer's address, a line with the trusted networks, a line that the client wrote, and
//! the values of `X-Forwarded-For`, one a line.
#![no_main]

use std::net::{IpAddr, SocketAddr};

use holdfast::client_address::{ClientAddress, Network, TrustedProxies};
use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;

/// An address as its bits, from the left; one of IPv4 in the clothes of IPv6 as what it is.
fn bits(address: IpAddr) -> Vec<bool> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(address) => address.octets().to_vec(),
            None => address.octets().to_vec(),
        },
    };
    octets.iter().flat_map(|octet| (0..8).rev().map(move |at| octet >> at & 1 == 1)).collect()
}

/// CIDR by its definition: so many of the first bits are the same.
fn is_in(network: &str, address: IpAddr) -> bool {
    let (base, length) = network.split_once('/').unwrap_or((network, ""));
    let base: IpAddr = base.parse().expect("the network was read");
    let (own, other) = (bits(base), bits(address));
    let cut = if base.is_ipv6() { 128 - own.len() } else { 0 };
    let length = if length.is_empty() {
        own.len()
    } else {
        length.parse::<usize>().expect("the network was read") - cut
    };
    own.len() == other.len() && own[..length] == other[..length]
}

/// What a proxy appends: an address, in brackets, or with its port. A zone (`%1`) says something on
/// its own machine only, and is read with a port alone, where the standard library has it.
fn entry(text: &str) -> Option<IpAddr> {
    let text = text.trim();
    let bare = text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<SocketAddr>().ok().map(|it| it.ip());
    let is_bracketed = text.starts_with('[') && !text.contains('%');
    let in_brackets =
        || format!("{text}:1").parse::<SocketAddr>().ok().filter(|_| is_bracketed).map(|it| it.ip());
    bare.or_else(with_port).or_else(in_brackets)
}

/// The hops from the nearest to the farthest, as far as somebody believed named them; and whether
/// the list ended there.
fn believed(peer: IpAddr, networks: &[&str], list: &str) -> (IpAddr, bool) {
    let is_trusted = |address| networks.iter().any(|network| is_in(network, address));
    let mut hop = peer;
    for text in list.rsplit(',') {
        if !is_trusted(hop) {
            return (hop, false);
        }
        match entry(text) {
            Some(named) => hop = named,
            None => return (hop, false),
        }
    }
    (hop, is_trusted(hop))
}

fn headers(name: &'static str, values: &[&str]) -> Option<HeaderMap> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(name, HeaderValue::from_str(value).ok()?);
    }
    Some(headers)
}

fuzz_target!(|input: &str| {
    let mut lines = input.split('\n');
    let (Some(peer), Some(trusted), Some(written)) = (lines.next(), lines.next(), lines.next()) else {
        return;
    };
    let values: Vec<&str> = lines.collect();
    let networks: Vec<&str> = trusted.split(' ').filter(|each| each.parse::<Network>().is_ok()).collect();
    let proxies: TrustedProxies = networks.iter().flat_map(|each| each.parse::<Network>()).collect();
    let Ok(peer) = peer.parse::<IpAddr>() else { return };
    let Some(sent) = headers("x-forwarded-for", &values) else { return };

    let client = proxies.client(peer, &sent);
    let alone = ClientAddress::from(peer);
    if !networks.iter().any(|network| is_in(network, peer)) {
        assert_eq!(client, alone, "an untrusted peer was believed");
    }
    let (hop, at_the_end) =
        if values.is_empty() { (peer, true) } else { believed(peer, &networks, &values.join(",")) };
    assert_eq!(client, ClientAddress::from(hop));

    // However the list is cut into lines, it is one list.
    let joined = values.join(",");
    if !values.is_empty() {
        let one = headers("x-forwarded-for", &[&joined]).expect("its parts are values");
        assert_eq!(proxies.client(peer, &one), client);
    }
    // What the client had written before the first proxy came to it changes nothing, unless all
    // that follows is trusted.
    if !at_the_end {
        let before: Vec<&str> = [written].into_iter().chain(values.iter().copied()).collect();
        if let Some(prefixed) = headers("x-forwarded-for", &before) {
            assert_eq!(proxies.client(peer, &prefixed), client, "{written} moved {client}");
        }
    }
    // The other header is not read, whoever sends it.
    for name in ["forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"] {
        if let Some(other) = headers(name, &values) {
            assert_eq!(proxies.client(peer, &other), alone, "{name} was read");
        }
    }
});
