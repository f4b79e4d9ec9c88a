//! Ranges of addresses: what `--outgoing-allow` is made of.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// A network and how many leading bits of an address name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cidr {
    network: IpAddr,
    bits: u8,
}

impl Cidr {
    /// Whether it has this address. IPv4 and IPv6 have nothing in common: whoever means both says both.
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.network, address) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()).leading_zeros() >= u32::from(self.bits)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether nothing of the address lies behind the network's bits.
    fn is_network(&self) -> bool {
        match self.network {
            IpAddr::V4(network) => network.to_bits().trailing_zeros() >= 32 - u32::from(self.bits),
            IpAddr::V6(network) => network.to_bits().trailing_zeros() >= 128 - u32::from(self.bits),
        }
    }
}

/// What a range must look like.
const FORM: &str = "give ranges such as 10.0.0.0/8 or fd00::/8, or single addresses";

impl FromStr for Cidr {
    type Err = String;

    fn from_str(text: &str) -> Result<Cidr, String> {
        let wrong = |why: &str| format!("{text:.64?} {why}: {FORM}");
        let (network, bits) = match text.split_once('/') {
            Some((network, bits)) => (network, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = network.parse().map_err(|_| wrong("is not a range of addresses"))?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => most,
            // `parse` alone would take a sign.
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|bits| *bits <= most).ok_or_else(|| wrong("has too many bits"))?
            }
            Some(_) => return Err(wrong("has no number of bits")),
        };
        let cidr = Cidr { network, bits };
        if cidr.is_network() { Ok(cidr) } else { Err(wrong("has bits behind its network")) }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

/// The ranges that outgoing calls may go to.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub enum Allowed {
    /// Loopback while the server listens on loopback only, else the private ranges.
    #[default]
    ByListeners,
    /// These and no others.
    Only(Vec<Cidr>),
}

impl Allowed {
    /// The ranges themselves.
    pub fn ranges(&self, listens_on_loopback_only: bool) -> Vec<Cidr> {
        match self {
            Allowed::ByListeners if listens_on_loopback_only => parse_all(LOOPBACK),
            Allowed::ByListeners => parse_all(PRIVATE),
            Allowed::Only(ranges) => ranges.clone(),
        }
    }
}

const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];
const PRIVATE: &[&str] = &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"];

/// The most ranges that can be given.
const MAX_RANGES: usize = 1_000;

fn parse_all(ranges: &[&str]) -> Vec<Cidr> {
    ranges.iter().map(|range| range.parse().expect("a range")).collect()
}

/// The setting of [`Allowed::ByListeners`].
const AUTO: &str = "auto";

/// The setting of an empty [`Allowed::Only`].
const NONE: &str = "none";

impl FromStr for Allowed {
    type Err = String;

    fn from_str(text: &str) -> Result<Allowed, String> {
        match text {
            AUTO => Ok(Allowed::ByListeners),
            NONE => Ok(Allowed::Only(Vec::new())),
            ranges => {
                let ranges: Result<Vec<Cidr>, String> =
                    ranges.split(',').take(MAX_RANGES + 1).map(|range| range.trim().parse()).collect();
                match ranges? {
                    many if many.len() > MAX_RANGES => Err(format!("more than {MAX_RANGES} ranges")),
                    ranges => Ok(Allowed::Only(ranges)),
                }
            }
        }
    }
}

impl fmt::Display for Allowed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Allowed::ByListeners => f.write_str(AUTO),
            Allowed::Only(ranges) if ranges.is_empty() => f.write_str(NONE),
            Allowed::Only(ranges) => {
                let ranges: Vec<String> = ranges.iter().map(Cidr::to_string).collect();
                f.write_str(&ranges.join(","))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_what_begins_like_it() {
        for (range, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("192.168.4.0/22", "192.168.7.255", "192.168.8.0"),
            ("0.0.0.0/0", "255.255.255.255", "::"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("fd00::/8", "fdff::1", "fc00::1"),
            ("::/0", "ffff::1", "1.2.3.4"),
            ("2001:db8::1/128", "2001:db8::1", "2001:db8::2"),
        ] {
            let cidr: Cidr = range.parse().unwrap();
            assert!(cidr.has(inside.parse().unwrap()), "{range} {inside}");
            assert!(!cidr.has(outside.parse().unwrap()), "{range} {outside}");
        }
    }

    #[test]
    fn a_range_is_spelled_one_way() {
        for bad in
            ["", "10.0.0.0/33", "::/129", "10.0.0.1/8", "fd00::1/8", "10/8", "10.0.0.0/", "10.0.0.0/+8", "a/8", "1/2/3"]
        {
            assert!(bad.parse::<Cidr>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_setting_shows_what_it_accepts() {
        for text in ["auto", "none", "10.0.0.0/8,fd00::/8", "127.0.0.1/32"] {
            assert_eq!(text.parse::<Allowed>().unwrap().to_string(), text);
        }
        assert!("10.0.0.0/8,".parse::<Allowed>().is_err());
        assert!(vec!["10.0.0.0/8"; MAX_RANGES + 1].join(",").parse::<Allowed>().is_err());
    }

    #[test]
    fn without_a_setting_the_listeners_decide() {
        let has = |ranges: &[Cidr], address: &str| ranges.iter().any(|range| range.has(address.parse().unwrap()));
        let (near, far) = (Allowed::ByListeners.ranges(true), Allowed::ByListeners.ranges(false));
        assert!(has(&near, "127.0.0.1") && has(&near, "::1") && !has(&near, "10.0.0.1"));
        assert!(has(&far, "10.0.0.1") && has(&far, "fd00::1") && !has(&far, "127.0.0.1") && !has(&far, "8.8.8.8"));
        assert!(Allowed::Only(Vec::new()).ranges(true).is_empty());
    }
}
