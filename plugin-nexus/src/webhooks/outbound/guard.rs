//! Which addresses webhooks are sent to: what a subscription names is somebody's input, and must not reach what only the server can
//! (server-side request forgery).
//!
//! Invariants:
//! - an address of a special purpose ([IPv4](https://www.iana.org/assignments/iana-ipv4-special-registry/),
//!   [IPv6](https://www.iana.org/assignments/iana-ipv6-special-registry/): private, loopback, link-local, ...) is refused unless the
//!   configuration allows its network; an IPv6 address that stands for one of IPv4 is judged as that one;
//! - a name is looked up and its addresses are judged in one step, at every connection, and no other address is connected to: a name
//!   that leads elsewhere a moment later gains nothing. An address in the URL is judged before every request, since no name is looked
//!   up for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// Bytes of a URL at most.
const LONGEST_URL: usize = 2_048;

const fn four(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn six(a: u16, b: u16, c: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0), prefix)
}

const SPECIAL_4: [Ipv4Net; 16] = [
    four(0, 0, 0, 0, 8),
    four(10, 0, 0, 0, 8),
    four(100, 64, 0, 0, 10),
    four(127, 0, 0, 0, 8),
    four(169, 254, 0, 0, 16),
    four(172, 16, 0, 0, 12),
    four(192, 0, 0, 0, 24),
    four(192, 0, 2, 0, 24),
    four(192, 31, 196, 0, 24),
    four(192, 52, 193, 0, 24),
    four(192, 88, 99, 0, 24),
    four(192, 168, 0, 0, 16),
    four(198, 18, 0, 0, 15),
    four(198, 51, 100, 0, 24),
    four(203, 0, 113, 0, 24),
    // Multicast, and what is reserved above it.
    four(224, 0, 0, 0, 3),
];

/// All but global unicast, and of that what has another purpose.
const SPECIAL_6: [Ipv6Net; 7] = [
    six(0, 0, 0, 3),
    six(0x2001, 0, 0, 23),
    six(0x2001, 0xDB8, 0, 32),
    six(0x3FFF, 0, 0, 20),
    six(0x4000, 0, 0, 2),
    six(0x8000, 0, 0, 1),
    six(0x2620, 0x4F, 0x8000, 48),
];

/// Who may be sent to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Guard {
    /// Networks that are allowed although they are special.
    pub(crate) allowed: Arc<[IpNet]>,
    /// Whether plain HTTP is.
    pub(crate) allow_http: bool,
}

/// Why somebody is not sent to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("must be a URL of {LONGEST_URL} bytes at most")]
    NotAUrl,
    #[error("must be an https address")]
    Scheme,
    #[error("must be an http or https address")]
    AnyScheme,
    #[error("must not hold credentials or a fragment")]
    Parts,
    #[error("leads to {0}, which is not allowed (webhooks.outbound.allowed_networks)")]
    Address(IpAddr),
    #[error("the name leads nowhere")]
    Nowhere,
}

impl Guard {
    /// Reads a subscription's URL.
    pub(crate) fn parse(&self, text: &str) -> Result<Url, Refused> {
        if text.len() > LONGEST_URL {
            return Err(Refused::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| Refused::NotAUrl)?;
        self.judge(&url)?;
        Ok(url)
    }

    /// Whether a request to this URL may be begun; names are judged when they are looked up.
    pub(crate) fn judge(&self, url: &Url) -> Result<(), Refused> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ if self.allow_http => return Err(Refused::AnyScheme),
            _ => return Err(Refused::Scheme),
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(Refused::Parts);
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.judge_address(address.into()),
            Some(Host::Ipv6(address)) => self.judge_address(address.into()),
            Some(Host::Domain(_)) => Ok(()),
            None => Err(Refused::NotAUrl),
        }
    }

    fn judge_address(&self, address: IpAddr) -> Result<(), Refused> {
        let meant = meant(address);
        let is_allowed = |address: &IpAddr| self.allowed.iter().any(|network| network.contains(address));
        if is_special(meant) && !is_allowed(&address) && !is_allowed(&meant) {
            return Err(Refused::Address(address));
        }
        Ok(())
    }

    /// The addresses of a name that may be connected to.
    fn admit(&self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let (mut admitted, mut refused) = (Vec::new(), Refused::Nowhere);
        for address in found {
            match self.judge_address(address.ip()) {
                Ok(()) => admitted.push(address),
                Err(reason) => refused = reason,
            }
        }
        if admitted.is_empty() {
            return Err(refused);
        }
        Ok(admitted)
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let admitted: Addrs = Box::new(guard.admit(found)?.into_iter());
            Ok(admitted)
        })
    }
}

/// The address that one of IPv6 stands for: mapped ones, and those that a translator sends on (RFC 6052, RFC 3056).
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address else {
        return address;
    };
    let pair = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match six.segments() {
        [0, 0, 0, 0, 0, 0xFFFF, high, low] | [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => pair(high, low),
        [0x2002, high, low, ..] => pair(high, low),
        _ => address,
    }
}

fn is_special(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => SPECIAL_4.iter().any(|network| network.contains(&address)),
        IpAddr::V6(address) => SPECIAL_6.iter().any(|network| network.contains(&address)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard(allowed: &[&str]) -> Guard {
        Guard {
            allowed: allowed.iter().map(|network| network.parse().unwrap()).collect(),
            allow_http: true,
        }
    }

    #[test]
    fn addresses_that_only_the_server_reaches_are_refused_in_every_disguise() {
        for text in [
            "http://127.0.0.1:8080/",
            "http://127.1/",
            "http://2130706433/",
            "http://0x7f.0.0.1/",
            "http://0177.0.0.1/",
            "http://0.0.0.0/",
            "http://10.1.2.3/",
            "http://100.64.0.1/",
            "http://169.254.169.254/latest/meta-data/",
            "http://172.31.255.255/",
            "http://192.168.0.1/",
            "http://198.18.0.1/",
            "http://224.0.0.1/",
            "http://255.255.255.255/",
            "http://[::]/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[::127.0.0.1]/",
            "http://[64:ff9b::10.0.0.1]/",
            "http://[64:ff9b:1::1]/",
            "http://[2002:7f00:1::1]/",
            "http://[2001::1]/",
            "http://[2001:db8::1]/",
            "http://[fc00::1]/",
            "http://[fd12:3456::1]/",
            "http://[fe80::1]/",
            "http://[fec0::1]/",
            "http://[ff02::1]/",
        ] {
            let refused = guard(&[]).parse(text).unwrap_err();
            assert!(matches!(refused, Refused::Address(_)), "{text}: {refused}");
        }
        for text in [
            "http://93.184.215.14/",
            "http://172.32.0.1/",
            "http://[2606:4700::1111]/",
            "http://[64:ff9b::8.8.8.8]/",
            "http://example.org/",
        ] {
            assert!(guard(&[]).parse(text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_network_that_the_operator_allows_is_sent_to_in_every_disguise() {
        let guard = guard(&["127.0.0.0/8", "fd00::/8"]);
        for text in [
            "http://127.0.0.1/",
            "http://[::ffff:127.0.0.1]/",
            "http://[fd00::1]/",
        ] {
            assert!(guard.parse(text).is_ok(), "{text}");
        }
        for text in ["http://10.0.0.1/", "http://[fc00::1]/", "http://[::1]/"] {
            assert!(guard.parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn of_a_name_only_the_addresses_that_are_allowed_are_connected_to() {
        let found = |texts: &[&str]| -> Vec<SocketAddr> {
            texts
                .iter()
                .map(|text| SocketAddr::new(text.parse().unwrap(), 0))
                .collect()
        };
        let guard = guard(&[]);
        let both = found(&["127.0.0.1", "93.184.215.14"]);
        assert_eq!(guard.admit(both.into_iter()).unwrap(), found(&["93.184.215.14"]));
        let private = found(&["10.0.0.1"]);
        assert_eq!(
            guard.admit(private.into_iter()),
            Err(Refused::Address([10, 0, 0, 1].into()))
        );
        assert_eq!(guard.admit(std::iter::empty()), Err(Refused::Nowhere));
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_not_looked_up_to_an_address() {
        let name: Name = "localhost".parse().unwrap();
        let Err(refused) = guard(&[]).resolve(name).await else {
            panic!("localhost was admitted");
        };
        assert!(refused.to_string().contains("not allowed"), "{refused}");
        let name: Name = "localhost".parse().unwrap();
        let allowed = guard(&["127.0.0.0/8", "::1/128"]);
        let found: Vec<SocketAddr> = allowed.resolve(name).await.unwrap().collect();
        assert!(found.iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn what_is_no_usable_url_is_refused() {
        let strict = Guard::default();
        for (text, refused) in [
            ("", Refused::NotAUrl),
            ("/hook", Refused::NotAUrl),
            ("http://", Refused::NotAUrl),
            ("http://example.org/", Refused::Scheme),
            ("ftp://example.org/", Refused::Scheme),
            ("file:///etc/passwd", Refused::Scheme),
            ("https://user:pass@example.org/", Refused::Parts),
            ("https://example.org/#x", Refused::Parts),
        ] {
            assert_eq!(strict.parse(text), Err(refused), "{text}");
        }
        assert_eq!(guard(&[]).parse("gopher://example.org/"), Err(Refused::AnyScheme));
        let long = format!("https://example.org/{}", "x".repeat(LONGEST_URL));
        assert_eq!(strict.parse(&long), Err(Refused::NotAUrl));
        assert!(strict.parse("https://example.org:8443/hook?token=7").is_ok());
    }
}
