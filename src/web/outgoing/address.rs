//! Which addresses outgoing calls may go to.
//!
//! An address is judged as a number, after the name was resolved: no spelling can hide it. Some ranges are refused whatever is
//! allowed; the others need a range that has them. An IPv6 address that carries an IPv4 one (mapped, translated, tunnelled) is
//! judged twice: what it is, and what it carries.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use super::cidr::Cidr;

/// What outgoing calls may reach.
#[derive(Clone, Debug)]
pub struct Rules {
    allowed: Vec<Cidr>,
    own: Vec<SocketAddr>,
}

/// Why an address is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// `0.0.0.0` or `::`.
    #[error("an unspecified address")]
    Unspecified,
    /// The rest of `0.0.0.0/8`.
    #[error("an address of this network (0.0.0.0/8)")]
    ThisNetwork,
    /// `169.254.0.0/16`, `fe80::/10`, `fec0::/10`.
    #[error("a link-local address")]
    LinkLocal,
    /// Where clouds keep their machines' credentials.
    #[error("a metadata service's address")]
    Metadata,
    /// `224.0.0.0/4`, `ff00::/8`.
    #[error("a multicast address")]
    Multicast,
    /// `255.255.255.255`.
    #[error("a broadcast address")]
    Broadcast,
    /// Ranges that nobody's server can have.
    #[error("a reserved address")]
    Reserved,
    /// The address hides another one in a way that can't be judged.
    #[error("a tunnel's address")]
    Tunnel,
    /// One of the server's own listeners.
    #[error("an address of this server itself")]
    Own,
    /// No range of `--outgoing-allow` has it.
    #[error("an address that is not allowed (see --outgoing-allow)")]
    NotAllowed,
}

impl Rules {
    /// Calls may go to these ranges, but never to these listeners.
    pub fn new(allowed: Vec<Cidr>, own: Vec<SocketAddr>) -> Rules {
        let own = own.into_iter().map(|own| SocketAddr::new(own.ip().to_canonical(), own.port())).collect();
        Rules { allowed, own }
    }

    /// The address to connect to, where it may be called.
    ///
    /// # Errors
    /// [`Refused`] says which rule is against it.
    pub fn check(&self, address: SocketAddr) -> Result<SocketAddr, Refused> {
        // A mapped address is the IPv4 address itself.
        let ip = address.ip().to_canonical();
        never(ip)?;
        if !self.is_allowed(ip) {
            return Err(Refused::NotAllowed);
        }
        if let Some(carried) = carried(ip) {
            never(IpAddr::V4(carried))?;
            if !self.is_allowed(IpAddr::V4(carried)) {
                return Err(Refused::NotAllowed);
            }
        }
        if self.is_own(ip, address.port()) {
            return Err(Refused::Own);
        }
        Ok(SocketAddr::new(ip, address.port()))
    }

    fn is_allowed(&self, ip: IpAddr) -> bool {
        self.allowed.iter().any(|range| range.has(ip))
    }

    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        self.own.iter().any(|own| own.port() == port && (own.ip() == ip || own.ip().is_unspecified() && is_here(ip)))
    }
}

/// Whether this machine has the address: only then a socket can be bound to it. Sends nothing.
fn is_here(ip: IpAddr) -> bool {
    ip.is_loopback() || UdpSocket::bind((ip, 0)).is_ok()
}

/// The ranges that no setting opens.
fn never(ip: IpAddr) -> Result<(), Refused> {
    match ip {
        IpAddr::V4(ip) => never_v4(ip),
        IpAddr::V6(ip) => never_v6(ip),
    }
}

fn never_v4(ip: Ipv4Addr) -> Result<(), Refused> {
    match ip.octets() {
        [0, 0, 0, 0] => Err(Refused::Unspecified),
        [0, ..] => Err(Refused::ThisNetwork),
        // Amazon, Google, Azure and most others; Alibaba; Azure's second; Oracle's second.
        [169, 254, 169, 254] | [100, 100, 100, 200] | [168, 63, 129, 16] | [192, 0, 0, 192] => Err(Refused::Metadata),
        [169, 254, ..] => Err(Refused::LinkLocal),
        [224..=239, ..] => Err(Refused::Multicast),
        [255, 255, 255, 255] => Err(Refused::Broadcast),
        [240..=255, ..] => Err(Refused::Reserved),
        _ => Ok(()),
    }
}

fn never_v6(ip: Ipv6Addr) -> Result<(), Refused> {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => Err(Refused::Unspecified),
        // Amazon's and Google's, in ranges that are private otherwise.
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => Err(Refused::Metadata),
        [0xfe80..=0xfeff, ..] => Err(Refused::LinkLocal),
        [0xff00..=0xffff, ..] => Err(Refused::Multicast),
        // Teredo scrambles what it carries; the local range of NAT64 may carry it anywhere.
        [0x2001, 0, ..] | [0x0064, 0xff9b, 1, ..] => Err(Refused::Tunnel),
        // ISATAP, whatever its prefix.
        [_, _, _, _, 0 | 0x0200, 0x5efe, _, _] => Err(Refused::Tunnel),
        _ => Ok(()),
    }
}

/// The IPv4 address in an IPv6 one that is not mapped but compatible, translated (also by NAT64) or 6to4.
fn carried(ip: IpAddr) -> Option<Ipv4Addr> {
    let IpAddr::V6(ip) = ip else { return None };
    let joined = |high: u16, low: u16| Some(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match ip.segments() {
        [0, 0, 0, 0, 0, 0, 0, 1] => None,
        [0, 0, 0, 0, 0, 0, high, low]
        | [0, 0, 0, 0, 0xffff, 0, high, low]
        | [0x0064, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => joined(high, low),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::cidr::Allowed;
    use super::*;

    fn rules(allowed: &str) -> Rules {
        Rules::new(allowed.parse::<Allowed>().unwrap().ranges(true), Vec::new())
    }

    fn check(rules: &Rules, ip: &str) -> Result<(), Refused> {
        rules.check(SocketAddr::new(ip.parse().unwrap(), 80)).map(|_| ())
    }

    #[test]
    fn what_no_setting_opens() {
        use Refused::*;
        let rules = rules("0.0.0.0/0,::/0");
        for (ip, refused) in [
            ("0.0.0.0", Unspecified),
            ("0.1.2.3", ThisNetwork),
            ("169.254.0.1", LinkLocal),
            ("169.254.169.254", Metadata),
            ("100.100.100.200", Metadata),
            ("168.63.129.16", Metadata),
            ("192.0.0.192", Metadata),
            ("224.0.0.1", Multicast),
            ("239.255.255.255", Multicast),
            ("240.0.0.1", Reserved),
            ("255.255.255.254", Reserved),
            ("255.255.255.255", Broadcast),
            ("::", Unspecified),
            ("fe80::1", LinkLocal),
            ("febf::1", LinkLocal),
            ("fec0::1", LinkLocal),
            ("ff02::1", Multicast),
            ("fd00:ec2::254", Metadata),
            ("fd20:ce::254", Metadata),
            ("2001::1", Tunnel),
            ("2001:0:4136:e378:8000:63bf:3fff:fdd2", Tunnel),
            ("64:ff9b:1::a9fe:a9fe", Tunnel),
            ("2001:db8::5efe:7f00:1", Tunnel),
            ("fd00::200:5efe:7f00:1", Tunnel),
        ] {
            assert_eq!(check(&rules, ip), Err(refused), "{ip}");
        }
    }

    #[test]
    fn every_carrier_is_looked_into() {
        use Refused::*;
        let rules = rules("0.0.0.0/0,::/0");
        for (v4, refused) in [
            ("169.254.169.254", Metadata),
            ("169.254.7.7", LinkLocal),
            ("0.0.0.9", ThisNetwork),
            ("224.0.0.1", Multicast),
        ] {
            let bits = v4.parse::<Ipv4Addr>().unwrap().to_bits();
            let (high, low) = (bits >> 16, bits & 0xffff);
            for carrier in [
                format!("::ffff:{v4}"),
                format!("::ffff:{high:x}:{low:x}"),
                format!("::ffff:0:{high:x}:{low:x}"),
                format!("64:ff9b::{high:x}:{low:x}"),
                format!("2002:{high:x}:{low:x}::"),
                format!("2002:{high:x}:{low:x}:1:2:3:4:5"),
            ] {
                assert_eq!(check(&rules, &carrier), Err(refused), "{carrier}");
            }
        }
        assert_eq!(check(&rules, "::169.254.169.254"), Err(Metadata));
        assert_eq!(check(&rules, "::0.0.0.9"), Err(ThisNetwork));
    }

    #[test]
    fn a_carrier_needs_what_it_carries_and_itself_to_be_allowed() {
        let inner = rules("10.0.0.0/8");
        assert_eq!(check(&inner, "::ffff:10.0.0.1"), Ok(()));
        assert_eq!(check(&inner, "::ffff:11.0.0.1"), Err(Refused::NotAllowed));
        assert_eq!(check(&inner, "64:ff9b::10.0.0.1"), Err(Refused::NotAllowed));
        assert_eq!(check(&inner, "2002:a00:1::"), Err(Refused::NotAllowed));
        let outer = rules("64:ff9b::/96");
        assert_eq!(check(&outer, "64:ff9b::10.0.0.1"), Err(Refused::NotAllowed));
        assert_eq!(check(&rules("64:ff9b::/96,10.0.0.0/8"), "64:ff9b::10.0.0.1"), Ok(()));
    }

    #[test]
    fn one_allowed_address_opens_no_other() {
        let rules = rules("127.0.0.1,::1");
        assert_eq!(check(&rules, "127.0.0.1"), Ok(()));
        assert_eq!(check(&rules, "::1"), Ok(()));
        for other in ["127.0.0.2", "::2", "10.0.0.1", "8.8.8.8", "::7f00:1", "2606:4700::1"] {
            assert_eq!(check(&rules, other), Err(Refused::NotAllowed), "{other}");
        }
    }

    #[test]
    fn the_servers_own_listeners_are_refused_and_their_neighbours_are_not() {
        let to = |text: &str| text.parse::<SocketAddr>().unwrap();
        let loopback = "127.0.0.0/8,::1".parse::<Allowed>().unwrap().ranges(true);
        let narrow = Rules::new(loopback.clone(), vec![to("127.0.0.1:3000"), to("[::ffff:127.0.0.9]:3000")]);
        for own in ["127.0.0.1:3000", "[::ffff:127.0.0.1]:3000", "127.0.0.9:3000"] {
            assert_eq!(narrow.check(to(own)), Err(Refused::Own), "{own}");
        }
        assert!(narrow.check(to("127.0.0.1:3001")).is_ok());
        assert!(narrow.check(to("127.0.0.2:3000")).is_ok());
        for wide in ["0.0.0.0:3000", "[::]:3000"] {
            let wide = Rules::new(loopback.clone(), vec![to(wide)]);
            for own in ["127.0.0.1:3000", "127.5.5.5:3000", "[::1]:3000"] {
                assert_eq!(wide.check(to(own)), Err(Refused::Own), "{own}");
            }
            assert!(wide.check(to("127.0.0.1:3001")).is_ok());
        }
        let everywhere = "0.0.0.0/0".parse::<Allowed>().unwrap().ranges(true);
        assert!(
            Rules::new(everywhere, vec![to("0.0.0.0:80")]).check(to("192.0.2.1:80")).is_ok(),
            "not of this machine"
        );
    }

    #[test]
    fn a_mapped_address_is_connected_to_as_what_it_is() {
        let address = rules("127.0.0.0/8").check("[::ffff:127.0.0.1]:80".parse().unwrap());
        assert_eq!(address, Ok("127.0.0.1:80".parse().unwrap()));
    }

    proptest! {
        /// Whatever passes is allowed by its own number, and no refused IPv4 range passes in any carrier.
        #[test]
        fn nothing_passes_that_should_not(bits: u32, prefix in 0_usize..5, tail: u64) {
            let v4 = Ipv4Addr::from_bits(bits);
            let low = u128::from(bits);
            let v6 = Ipv6Addr::from_bits(match prefix {
                0 => 0xffff << 32 | low,
                1 => low,
                2 => 0x0064_ff9b << 96 | low,
                3 => 0x2002 << 112 | low << 80 | u128::from(tail),
                _ => 0xffff << 48 | low,
            });
            let all = rules("0.0.0.0/0,::/0");
            let alone = all.check(SocketAddr::new(v4.into(), 80)).is_ok();
            let in_carrier = all.check(SocketAddr::new(v6.into(), 80)).is_ok();
            prop_assert!(alone || !in_carrier, "{v4} in {v6}");
            let ten = rules("10.0.0.0/8");
            prop_assert_eq!(ten.check(SocketAddr::new(v4.into(), 80)).is_ok(), v4.octets()[0] == 10);
            prop_assert_eq!(ten.check(SocketAddr::new(v6.into(), 80)).is_ok(), prefix == 0 && v4.octets()[0] == 10);
        }
    }
}
