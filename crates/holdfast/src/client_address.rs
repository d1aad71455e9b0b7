//! Whose request it is, for limits: the address that opened the connection, or the one that a
//! trusted proxy names.
//!
//! `X-Forwarded-For` is a list to which every hop appends, so it is read from the right, for as
//! long as a trusted proxy appended the entry. Everything left of that may be forged and is not
//! read. `Forwarded` (RFC 7239) is never read: a proxy that sets one of the two headers passes the
//! other on as the client sent it, and an attacker would use that one.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use http::{HeaderMap, HeaderName};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// One client for the limits: an IPv4 address, or the /64 network of an IPv6 address, since one
/// customer usually has all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientAddress(IpAddr);

impl From<IpAddr> for ClientAddress {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self(IpAddr::V4(address)),
            IpAddr::V6(address) => {
                let network = address.to_bits() & (u128::MAX << 64);
                Self(IpAddr::V6(Ipv6Addr::from_bits(network)))
            }
        }
    }
}

impl fmt::Display for ClientAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(f),
            IpAddr::V6(address) => write!(f, "{address}/64"),
        }
    }
}

/// A network in CIDR notation; a bare address is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

/// The text names no network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    /// What should be an address is none.
    #[error("has a part that is not an IP address")]
    Address,
    /// The prefix is longer than the address, or no number.
    #[error("has a prefix length that does not fit its address (IPv4 written as IPv6: 96 and more)")]
    Prefix,
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, p)| (a, Some(p)));
        let written: IpAddr = address.parse().map_err(|_| NetworkError::Address)?;
        // IPv4 in the clothes of IPv6 has 96 bits more, and counts as what it is.
        let address = written.to_canonical();
        let longest = bits(address);
        let prefix =
            prefix.map_or(Ok(bits(written)), |text| text.parse().map_err(|_| NetworkError::Prefix))?;
        let prefix = prefix.checked_sub(bits(written) - longest).filter(|prefix| *prefix <= longest);
        prefix.map(|prefix| Self { address, prefix }).ok_or(NetworkError::Prefix)
    }
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl Network {
    fn contains(&self, address: IpAddr) -> bool {
        let same = |a: u128, b: u128, length: u8| {
            let ignored = u32::from(length - self.prefix.min(length));
            (a ^ b).checked_shr(ignored).unwrap_or(0) == 0
        };
        match (self.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => same(own.to_bits().into(), other.to_bits().into(), 32),
            (IpAddr::V6(own), IpAddr::V6(other)) => same(own.to_bits(), other.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<Network>);

impl FromIterator<Network> for TrustedProxies {
    fn from_iter<I: IntoIterator<Item = Network>>(networks: I) -> Self {
        Self(networks.into_iter().collect())
    }
}

impl TrustedProxies {
    /// Whether the list covers all of IPv4 or IPv6: then any client can claim any address.
    pub fn believes_anybody(&self) -> bool {
        self.0.iter().any(|network| network.prefix == 0)
    }

    fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// The client behind `peer`. An entry that is no address ends the reading: the hop that wrote
    /// it counts as the client.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> ClientAddress {
        let mut client = peer.to_canonical();
        let values = headers.get_all(X_FORWARDED_FOR);
        // From the right: the last value's last entry was written by the peer itself.
        let entries = values.iter().rev().flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
        for entry in entries {
            if !self.contains(client) {
                break;
            }
            let Some(address) = std::str::from_utf8(entry).ok().and_then(forwarded_address) else { break };
            client = address.to_canonical();
        }
        client.into()
    }
}

/// An entry of the list: an address, which some proxies write with the port, an IPv6 one then in
/// brackets.
fn forwarded_address(entry: &str) -> Option<IpAddr> {
    let entry = entry.trim();
    if let Ok(address) = entry.parse() {
        return Some(address);
    }
    if let Ok(with_port) = entry.parse::<std::net::SocketAddr>() {
        return Some(with_port.ip());
    }
    entry.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn proxies(list: &[&str]) -> TrustedProxies {
        list.iter().map(|each| each.parse::<Network>().unwrap()).collect()
    }

    fn client(trusted: &[&str], peer: &str, forwarded: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(X_FORWARDED_FOR, HeaderValue::from_bytes(value).unwrap());
        }
        proxies(trusted).client(peer.parse().unwrap(), &headers).to_string()
    }

    #[test]
    fn without_trusted_proxies_the_header_is_ignored() {
        for hostile in [&b"1.2.3.4"[..], b"127.0.0.1", b"10.0.0.1, 1.2.3.4", b"", b"garbage"] {
            assert_eq!(client(&[], "203.0.113.9", &[hostile]), "203.0.113.9");
            assert_eq!(client(&["10.0.0.0/8"], "203.0.113.9", &[hostile]), "203.0.113.9");
        }
    }

    #[test]
    fn from_a_trusted_proxy_the_right_most_untrusted_address_counts() {
        let trusted = &["10.0.0.0/8", "127.0.0.1", "2001:db8:ff::/48"];
        let table: &[(&str, &[&[u8]], &str)] = &[
            ("10.1.2.3", &[b"203.0.113.9"], "203.0.113.9"),
            ("10.1.2.3", &[b"203.0.113.9, 10.0.0.1"], "203.0.113.9"),
            // What stands left of it was written by the client.
            ("10.1.2.3", &[b"1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.1.2.3", &[b"10.9.9.9, 203.0.113.9, 10.0.0.1"], "203.0.113.9"),
            // Several header lines are one list, in order.
            ("10.1.2.3", &[b"1.1.1.1", b"203.0.113.9", b"10.0.0.1"], "203.0.113.9"),
            ("10.1.2.3", &[b"203.0.113.9,10.0.0.1", b"127.0.0.1"], "203.0.113.9"),
            // Everybody on the way is trusted: the first of them.
            ("10.1.2.3", &[b"10.0.0.1, 10.0.0.2"], "10.0.0.1"),
            ("10.1.2.3", &[], "10.1.2.3"),
            // Ports, brackets and white space, as proxies write them.
            ("10.1.2.3", &[b" 203.0.113.9:4711 "], "203.0.113.9"),
            ("10.1.2.3", &[b"[2001:db8:1:2:3::4]:443"], "2001:db8:1:2::/64"),
            ("10.1.2.3", &[b"[2001:db8:1:2:3::4]"], "2001:db8:1:2::/64"),
            ("2001:db8:ff::1", &[b"2001:db8:1:2:3::4"], "2001:db8:1:2::/64"),
            // IPv4 in the clothes of IPv6, as a listener on [::] sees it.
            ("::ffff:10.1.2.3", &[b"::ffff:203.0.113.9"], "203.0.113.9"),
            // What is no address ends the reading at the hop that wrote it.
            ("10.1.2.3", &[b"203.0.113.9, unknown"], "10.1.2.3"),
            ("10.1.2.3", &[b"203.0.113.9, _hidden, 10.0.0.7"], "10.0.0.7"),
            ("10.1.2.3", &[b"203.0.113.9, , 10.0.0.7"], "10.0.0.7"),
            ("10.1.2.3", &[b""], "10.1.2.3"),
            ("10.1.2.3", &[b",,,,"], "10.1.2.3"),
            ("10.1.2.3", &[b"203.0.113.999"], "10.1.2.3"),
            ("10.1.2.3", &[b"203.0.113.9/8"], "10.1.2.3"),
            ("10.1.2.3", &[b"\xff\xfe"], "10.1.2.3"),
            ("10.1.2.3", &[b"203.0.113.9; proto=http"], "10.1.2.3"),
            ("10.1.2.3", &[b"fe80::1%eth0"], "10.1.2.3"),
        ];
        for (peer, forwarded, expected) in table {
            assert_eq!(&client(trusted, peer, forwarded), expected, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn a_long_list_is_read_only_as_far_as_it_is_believed() {
        let long = [b"10.0.0.1,".repeat(1500), b"203.0.113.9".to_vec()].concat();
        assert_eq!(client(&["10.0.0.0/8"], "10.0.0.1", &[&long]), "203.0.113.9");
        assert_eq!(client(&["0.0.0.0/0"], "10.0.0.1", &[b"1.1.1.1, 2.2.2.2"]), "1.1.1.1");
    }

    #[test]
    fn a_customer_with_a_whole_ipv6_network_is_one_client() {
        let of = |text: &str| ClientAddress::from(text.parse::<IpAddr>().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }

    #[test]
    fn networks_contain_what_they_should() {
        let contains = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(contains("10.0.0.0/8", "10.255.0.1") && !contains("10.0.0.0/8", "11.0.0.1"));
        assert!(contains("10.0.0.7", "10.0.0.7") && !contains("10.0.0.7", "10.0.0.6"));
        assert!(contains("10.0.0.6/31", "10.0.0.7"));
        assert!(contains("0.0.0.0/0", "203.0.113.9") && !contains("0.0.0.0/0", "::1"));
        assert!(contains("::ffff:10.0.0.1", "10.0.0.1") && !contains("::ffff:10.0.0.1", "10.0.0.2"));
        assert!(contains("::ffff:10.0.0.0/104", "10.9.0.1") && !contains("::ffff:10.0.0.0/104", "11.0.0.1"));
        assert!(proxies(&["::ffff:0.0.0.0/96"]).believes_anybody());
        assert!(contains("::/0", "2001:db8::1") && !contains("::/0", "10.0.0.1"));
        assert!(
            contains("2001:db8::/33", "2001:db8:7fff::1") && !contains("2001:db8::/33", "2001:db8:8000::1")
        );
        for (text, error) in [
            ("proxy.internal", NetworkError::Address),
            ("10.0.0.0/33", NetworkError::Prefix),
            ("::/129", NetworkError::Prefix),
            ("::ffff:10.0.0.0/129", NetworkError::Prefix),
            ("10.0.0.0/", NetworkError::Prefix),
            ("10.0.0.0/-1", NetworkError::Prefix),
            ("/8", NetworkError::Address),
        ] {
            assert_eq!(text.parse::<Network>(), Err(error), "{text}");
        }
    }
}
