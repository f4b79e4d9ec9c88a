//! URLs that the server calls: read strictly, because whoever reads a URL more kindly than the one who checked it goes elsewhere.
//!
//! Refused are: other schemes, user info, fragments, an odd spelling of an address (`0x7f.1`, `127.1`, `2130706433`, a trailing
//! dot, a zone), letters that a URL can't have, port 0. Names are plain ASCII: others are written in their `xn--` form.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use awc::http::Uri;

/// A URL that can be called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Url {
    scheme: Scheme,
    host: Host,
    port: u16,
    /// Begins with a slash.
    path: String,
    /// With its question mark, or empty.
    query: String,
}

/// How to speak to a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Scheme {
    Http,
    Https,
}

/// Who is called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Host {
    /// A name, in lower case.
    Name(String),
    /// An address.
    Address(IpAddr),
}

/// The longest URL.
pub const MAX_URL: usize = 2_048;

/// No longer path is added to a base.
const LONGEST_JOINED: &str = "/process";

/// Why a text is not a URL that can be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadUrl {
    /// More than [`MAX_URL`] bytes.
    #[error("longer than 2048 bytes")]
    TooLong,
    /// A letter that has no place in a URL, or half an escape.
    #[error("a letter that a URL can't have")]
    Letter,
    /// Neither `http` nor `https`, or no scheme.
    #[error("neither http:// nor https://")]
    Scheme,
    /// A user's name or password.
    #[error("user info")]
    UserInfo,
    /// A fragment.
    #[error("a fragment")]
    Fragment,
    /// A query where a path will be added.
    #[error("a query")]
    Query,
    /// No host, or neither a name nor an address in its usual spelling.
    #[error("a host that is neither a name nor an address in its usual spelling")]
    Host,
    /// Not 1 to 65535.
    #[error("a port that is not 1 to 65535")]
    Port,
}

impl Url {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`BadUrl`]: what is wrong with it.
    pub fn parse(text: &str) -> Result<Url, BadUrl> {
        if text.len() > MAX_URL {
            return Err(BadUrl::TooLong);
        }
        check_letters(text)?;
        let (scheme, rest) = split_scheme(text)?;
        if rest.contains('#') {
            return Err(BadUrl::Fragment);
        }
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = rest.split_at(rest.find('?').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(BadUrl::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let url = Url {
            scheme,
            host: parse_host(host)?,
            port: port.map_or(Ok(scheme.port()), parse_port)?,
            path: if path.is_empty() { "/" } else { path }.to_owned(),
            query: query.to_owned(),
        };
        // It is kept as it is spelled here, and read again.
        let spelled = url.to_string();
        if spelled.len() > MAX_URL {
            return Err(BadUrl::TooLong);
        }
        // What the client can't take is no URL either.
        spelled.parse::<Uri>().map_err(|_| BadUrl::Letter)?;
        Ok(url)
    }

    /// Reads a URL that paths will be added to ([`Url::join`]).
    ///
    /// # Errors
    /// [`BadUrl`]: what is wrong with it.
    pub fn parse_base(text: &str) -> Result<Url, BadUrl> {
        let url = Url::parse(text)?;
        if !url.query.is_empty() {
            return Err(BadUrl::Query);
        }
        if url.join(LONGEST_JOINED).to_string().len() > MAX_URL { Err(BadUrl::TooLong) } else { Ok(url) }
    }

    /// The URL of `path`, which begins with a slash, under this one.
    pub fn join(&self, path: &str) -> Url {
        Url { path: format!("{}{path}", self.path.trim_end_matches('/')), query: String::new(), ..self.clone() }
    }

    /// Who is called.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// At which port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address that it names, where it doesn't name a name.
    pub fn address(&self) -> Option<SocketAddr> {
        match self.host {
            Host::Name(_) => None,
            Host::Address(ip) => Some(SocketAddr::new(ip, self.port)),
        }
    }

    /// Host and port: calls with the same ones go to the same place.
    pub fn place(&self) -> String {
        match &self.host {
            Host::Name(name) => format!("{name}:{}", self.port),
            Host::Address(IpAddr::V4(address)) => format!("{address}:{}", self.port),
            Host::Address(IpAddr::V6(address)) => format!("[{address}]:{}", self.port),
        }
    }

    /// As the client wants it.
    pub fn uri(&self) -> Uri {
        self.to_string().parse().expect("it was tried when the URL was read, and paths are added from our own literals")
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Http => "http",
            Scheme::Https => "https",
        };
        write!(f, "{scheme}://{}{}{}", self.place(), self.path, self.query)
    }
}

impl Scheme {
    fn port(self) -> u16 {
        match self {
            Scheme::Http => 80,
            Scheme::Https => 443,
        }
    }
}

/// Only what RFC 3986 knows, and whole escapes.
fn check_letters(text: &str) -> Result<(), BadUrl> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        let good = match byte {
            b'%' => bytes.get(at + 1..at + 3).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit)),
            b'"' | b'<' | b'>' | b'\\' | b'^' | b'`' | b'{' | b'|' | b'}' => false,
            byte => byte.is_ascii_graphic(),
        };
        if !good {
            return Err(BadUrl::Letter);
        }
    }
    Ok(())
}

fn split_scheme(text: &str) -> Result<(Scheme, &str), BadUrl> {
    let (scheme, rest) = text.split_once("://").ok_or(BadUrl::Scheme)?;
    match scheme.to_ascii_lowercase().as_str() {
        "http" => Ok((Scheme::Http, rest)),
        "https" => Ok((Scheme::Https, rest)),
        _ => Err(BadUrl::Scheme),
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<&str>), BadUrl> {
    let end = if authority.starts_with('[') { authority.find(']').ok_or(BadUrl::Host)? + 1 } else { 0 };
    match authority[end..].find(':') {
        None => Ok((authority, None)),
        Some(colon) => Ok((&authority[..end + colon], Some(&authority[end + colon + 1..]))),
    }
}

fn parse_port(digits: &str) -> Result<u16, BadUrl> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().map_err(|_| BadUrl::Port) } else { Err(BadUrl::Port) }
}

fn parse_host(text: &str) -> Result<Host, BadUrl> {
    if let Some(inner) = text.strip_prefix('[') {
        let inner = inner.strip_suffix(']').ok_or(BadUrl::Host)?;
        return inner.parse::<Ipv6Addr>().map(|address| Host::Address(address.into())).map_err(|_| BadUrl::Host);
    }
    // Whatever ends in a number is an address to a resolver, in one of many spellings; only the usual one is taken.
    if text.rsplit('.').next().is_some_and(is_number) {
        return text.parse::<Ipv4Addr>().map(|address| Host::Address(address.into())).map_err(|_| BadUrl::Host);
    }
    let good = text.len() <= MAX_NAME && text.split('.').all(is_label);
    if good { Ok(Host::Name(text.to_ascii_lowercase())) } else { Err(BadUrl::Host) }
}

/// The longest name that DNS has.
const MAX_NAME: usize = 253;

fn is_number(label: &str) -> bool {
    let hexadecimal = label.strip_prefix("0x").or_else(|| label.strip_prefix("0X"));
    match hexadecimal {
        Some(digits) => digits.bytes().all(|byte| byte.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn good_urls_come_out_in_one_spelling() {
        for (text, shown) in [
            ("http://127.0.0.1:8001", "http://127.0.0.1:8001/"),
            ("HTTP://LocalHost:8001/a/b?c=d", "http://localhost:8001/a/b?c=d"),
            ("https://example.org", "https://example.org:443/"),
            ("https://xn--bcher-kva.example/%20x", "https://xn--bcher-kva.example:443/%20x"),
            ("http://[::1]:80/", "http://[::1]:80/"),
            ("http://[0:0::1]", "http://[::1]:80/"),
            ("http://word_count:9?x", "http://word_count:9/?x"),
            ("http://1e1.x1", "http://1e1.x1:80/"),
            ("http://a.b/@x:1", "http://a.b:80/@x:1"),
        ] {
            assert_eq!(Url::parse(text).unwrap().to_string(), shown, "{text}");
        }
    }

    #[test]
    fn paths_are_added_to_a_base() {
        for (base, joined) in [
            ("http://a:1", "http://a:1/meta"),
            ("http://a:1/", "http://a:1/meta"),
            ("http://a:1/x/y", "http://a:1/x/y/meta"),
            ("http://a:1/x//", "http://a:1/x/meta"),
        ] {
            assert_eq!(Url::parse_base(base).unwrap().join("/meta").to_string(), joined);
        }
        assert_eq!(Url::parse_base("http://a:1/?x"), Err(BadUrl::Query));
    }

    /// What was taken is kept as it is spelled, and must be readable after a restart.
    #[test]
    fn a_url_is_not_too_long_in_its_own_spelling_either() {
        for begin in ["https://a/", "https://a?", "http://[0:0:0:0:0:0:0:1]/"] {
            let longest = (MAX_URL - 20..=MAX_URL).rev().find_map(|length| {
                let text = format!("{begin}{}", "x".repeat(length - begin.len()));
                Url::parse(&text).ok()
            });
            let spelled = longest.unwrap().to_string();
            assert!(spelled.len() > MAX_URL - 20 && Url::parse(&spelled).is_ok(), "{begin}: {}", spelled.len());
        }
        let base = |length: usize| Url::parse_base(&format!("http://a:1/{}", "x".repeat(length - 11)));
        assert_eq!(base(MAX_URL - 8).unwrap().join("/process").to_string().len(), MAX_URL);
        assert_eq!(base(MAX_URL - 7), Err(BadUrl::TooLong));
    }

    #[test]
    fn bad_urls_are_refused() {
        use BadUrl::*;
        let long = format!("http://a/{}", "x".repeat(MAX_URL));
        for (text, bad) in [
            ("", Scheme),
            ("x", Scheme),
            ("//x", Scheme),
            ("/process", Scheme),
            ("ftp://a", Scheme),
            ("file:///etc/passwd", Scheme),
            ("gopher://a:70/_x", Scheme),
            ("javascript:alert(1)", Scheme),
            ("http:a", Scheme),
            ("http:/a", Scheme),
            (" http://a", Letter),
            ("http://a b", Letter),
            ("http://a\r\nX: y", Letter),
            ("http://a/\u{0}", Letter),
            ("http://a\\@b", Letter),
            ("http://a/%2", Letter),
            ("http://a/%zz", Letter),
            ("http://①②⑦.⓪.⓪.①/", Letter),
            ("http://１２７.0.0.1/", Letter),
            ("http://bücher.example", Letter),
            ("http://a/{x}", Letter),
            ("http://127.0.0.1@evil/", UserInfo),
            ("http://user:password@a/", UserInfo),
            ("http://@a/", UserInfo),
            ("http://a/#x", Fragment),
            ("http://a#@b/", Fragment),
            ("http://", Host),
            ("http:///x", Host),
            ("http://?x", Host),
            ("http://:80", Host),
            ("http://a..b", Host),
            ("http://localhost.", Host),
            ("http://127.0.0.1.", Host),
            ("http://-a", Host),
            ("http://a-", Host),
            ("http://%31%32%37.0.0.1", Host),
            ("http://a%2eb", Host),
            ("http://0", Host),
            ("http://127.1", Host),
            ("http://127.0.1", Host),
            ("http://2130706433", Host),
            ("http://0x7f.1", Host),
            ("http://0x7f000001", Host),
            ("http://0X7F.0.0.1", Host),
            ("http://a.0x", Host),
            ("http://0177.0.0.1", Host),
            ("http://127.0.0.01", Host),
            ("http://256.0.0.1", Host),
            ("http://1.2.3.4.5", Host),
            ("http://[::1", Host),
            ("http://[::1]x", Host),
            ("http://[fe80::1%25eth0]", Host),
            ("http://[127.0.0.1]", Host),
            ("http://[]", Host),
            ("http://::1", Host),
            ("http://a]", Host),
            ("http://a:", Port),
            ("http://a:0", Port),
            ("http://a:080", Port),
            ("http://a:65536", Port),
            ("http://a:+80", Port),
            ("http://a:80:80", Port),
            ("http://a:x", Port),
            (long.as_str(), TooLong),
        ] {
            assert_eq!(Url::parse(text), Err(bad), "{text:?}");
        }
    }

    proptest! {
        /// What is read is read the same again, and never panics on its way to the client.
        #[test]
        fn reading_is_stable(text in "(http|https|ftp)://[a-z0-9.:@\\[\\]%?#/-]{0,30}") {
            if let Ok(url) = Url::parse(&text) {
                prop_assert_eq!(Url::parse(&url.to_string()).unwrap(), url.clone());
                prop_assert_eq!(url.uri().port_u16(), Some(url.port()));
                let _ = url.join("/meta").uri();
            }
        }

        /// No spelling of a number is a name.
        #[test]
        fn numbers_are_no_names(parts in prop::collection::vec("(0x[0-9a-f]{0,8}|0[0-7]{0,10}|[0-9]{1,10})", 1..5)) {
            let host = parts.join(".");
            match Url::parse(&format!("http://{host}/")) {
                Ok(url) => prop_assert_eq!(url.host(), &Host::Address(host.parse::<Ipv4Addr>().unwrap().into())),
                Err(bad) => prop_assert_eq!(bad, BadUrl::Host),
            }
        }
    }
}
