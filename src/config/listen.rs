//! Where a listener listens.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;

use super::error::quoted;

/// A listener's address: `IP:PORT`, `PORT` (on loopback) or `off`. Port 0 takes a free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listen {
    /// This listener does not start.
    Off,
    /// It listens here.
    Addr(SocketAddr),
}

impl Listen {
    /// The address, unless it is off.
    pub fn addr(self) -> Option<SocketAddr> {
        match self {
            Self::Off => None,
            Self::Addr(addr) => Some(addr),
        }
    }
}

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "off" {
            return Ok(Self::Off);
        }
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Ok(Self::Addr(addr));
        }
        // `parse` alone would take a sign.
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            return match text.parse::<u16>() {
                Ok(port) => Ok(Self::Addr((Ipv4Addr::LOCALHOST, port).into())),
                Err(_) => Err(format!("{} is not a port: give 0 to 65535", quoted(text))),
            };
        }
        Err(format!("{} is not an address: give IP:PORT (127.0.0.1:3001, [::1]:3001), PORT or off", quoted(text)))
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Addr(addr) => addr.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, shown) in [
            ("off", "off"),
            ("0", "127.0.0.1:0"),
            ("3001", "127.0.0.1:3001"),
            ("0.0.0.0:1", "0.0.0.0:1"),
            ("[::1]:65535", "[::1]:65535"),
        ] {
            let listen: Listen = text.parse().unwrap();
            assert_eq!(listen.to_string(), shown);
            assert_eq!(shown.parse::<Listen>().unwrap(), listen);
        }
        for bad in
            ["", "65536", "-1", "+1", "localhost:1", "::1:3001x", "1.2.3.4", "1.2.3.4:65536", "OFF", "99999999999"]
        {
            assert!(bad.parse::<Listen>().is_err(), "{bad:?}");
        }
    }
}
