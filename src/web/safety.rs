//! Who may ask at all, and what a browser may do with the answer (`spec/http.md`, browser safety).
//!
//! A browser sends requests for any page that asks it to. So a name that leads here by somebody else's DNS is refused (421),
//! a change that another site asks for is refused (403), and a body must be of a kind that no form can send (415). No header
//! ever lets another site read an answer. Where there is a token, everything but the two health questions needs it (401).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use subtle::ConstantTimeEq;

use super::body;
use super::problem::{self, Problem};

/// The rules of a server.
#[derive(Clone)]
pub struct Safety {
    /// What a caller has to know; none: nobody has to know anything.
    pub token: Option<Arc<str>>,
    /// Host names that are ours besides loopback.
    pub names: Arc<[String]>,
    /// Where we listen.
    pub address: IpAddr,
}

/// The address that a connection came in on.
#[derive(Clone, Copy, Debug)]
pub struct CameInOn(pub IpAddr);

impl Safety {
    /// Whether a request may go on.
    ///
    /// # Errors
    /// The problem to answer with instead.
    pub fn judge(&self, request: &ServiceRequest) -> Result<(), Problem> {
        let came_in_on = request.conn_data::<CameInOn>().map(|came| came.0);
        let path = request.match_info().unprocessed();
        self.judge_host(request.headers(), request.uri(), came_in_on)?;
        self.judge_token(request.headers(), path)?;
        if is_change(request.method(), path) {
            judge_site(request.headers())?;
        }
        judge_body(request, path)
    }

    fn judge_host(&self, headers: &HeaderMap, uri: &Uri, came_in_on: Option<IpAddr>) -> Result<(), Problem> {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).ok_or_else(no_host)?;
        let authority = uri.authority().map(|authority| authority.as_str());
        match std::iter::once(host).chain(authority).all(|named| self.is_ours(named, came_in_on)) {
            true => Ok(()),
            false => Err(misdirected()),
        }
    }

    /// Whether `host`, with or without a port, means this server.
    fn is_ours(&self, host: &str, came_in_on: Option<IpAddr>) -> bool {
        let name = without_port(host);
        if let Some(ip) = ip_of(name) {
            return ip.is_loopback() || ip == self.address.to_canonical() || came_in_on == Some(ip);
        }
        name.eq_ignore_ascii_case("localhost") || self.names.iter().any(|ours| name.eq_ignore_ascii_case(ours))
    }

    fn judge_token(&self, headers: &HeaderMap, path: &str) -> Result<(), Problem> {
        let Some(token) = &self.token else { return Ok(()) };
        let is_free = FREE_PATHS.contains(&path);
        let said = headers.get(header::AUTHORIZATION).and_then(|value| said_token(value.as_bytes()));
        if is_free || said.is_some_and(|said| bool::from(said.ct_eq(token.as_bytes()))) {
            return Ok(());
        }
        Err(unauthorized())
    }
}

/// What needs no token: probes have none, and learn nothing.
const FREE_PATHS: [&str; 2] = ["/healthz", "/readyz"];

/// The token that an `Authorization` header says: after `Bearer`, or as the password of `Basic` so that browsers can ask
/// people for it.
fn said_token(value: &[u8]) -> Option<Vec<u8>> {
    let space = value.iter().position(|byte| *byte == b' ')?;
    let (scheme, said) = (&value[..space], value[space + 1..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(said.to_vec());
    }
    if !scheme.eq_ignore_ascii_case(b"basic") {
        return None;
    }
    let pair = BASE64.decode(said).ok()?;
    let colon = pair.iter().position(|byte| *byte == b':')?;
    Some(pair[colon + 1..].to_vec())
}

/// Whether a request changes something. The long poll hands out jobs, which is a change though it is a GET.
fn is_change(method: &Method, path: &str) -> bool {
    is_poll(path) || !matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

/// Whether a path is that of the long poll for jobs.
pub fn is_poll(path: &str) -> bool {
    path == "/api/v1/assignments"
}

/// A change that a browser asks for must come from a page of ours, or from the person in front of it.
fn judge_site(headers: &HeaderMap) -> Result<(), Problem> {
    let mut sites = headers.get_all("sec-fetch-site").peekable();
    if sites.peek().is_some() {
        return match sites.all(|site| matches!(site.as_bytes(), b"same-origin" | b"none")) {
            true => Ok(()),
            false => Err(cross_site()),
        };
    }
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes).unwrap_or_default();
    match headers.get_all(header::ORIGIN).all(|origin| is_origin_of(origin.as_bytes(), host)) {
        true => Ok(()),
        false => Err(cross_site()),
    }
}

/// Whether an origin is that of a host. The scheme doesn't count: encryption may end in front of us.
fn is_origin_of(origin: &[u8], host: &[u8]) -> bool {
    let (rest, usual) = match (origin.strip_prefix(b"http://"), origin.strip_prefix(b"https://")) {
        (Some(rest), _) => (rest, &b":80"[..]),
        (_, Some(rest)) => (rest, &b":443"[..]),
        (None, None) => return false,
    };
    let plain = |text: &[u8]| text.strip_suffix(usual).unwrap_or(text).to_ascii_lowercase();
    !rest.is_empty() && plain(rest) == plain(host)
}

/// A body comes as it is, and is JSON where programs send it; the forms of our pages go to other paths.
fn judge_body(request: &ServiceRequest, path: &str) -> Result<(), Problem> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(problem::unsupported("Content-Encoding is not read here: send the body as it is"));
    }
    if !body::is_announced(request) {
        return Ok(());
    }
    let kind = request.headers().get(header::CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let kind = kind.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
    let is_form = kind.eq_ignore_ascii_case(b"application/x-www-form-urlencoded");
    match kind.eq_ignore_ascii_case(b"application/json") || (is_form && !is_for_programs(path)) {
        true => Ok(()),
        false => Err(problem::unsupported("the Content-Type of a body must be application/json")),
    }
}

/// Whether a path is for programs, and not for people with a browser.
pub fn is_for_programs(path: &str) -> bool {
    let roots = ["api", "register", "action", "complete", "metrics", "meta", "healthz", "readyz"];
    let first = path.strip_prefix('/').and_then(|path| path.split('/').next());
    first.is_some_and(|first| roots.contains(&first))
}

/// The headers that every answer has, unless it has its own.
pub fn add_headers(headers: &mut HeaderMap, path_is_for_programs: bool) {
    let mut usual = |name: HeaderName, value: &'static str| {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    };
    usual(header::CONTENT_SECURITY_POLICY, POLICY);
    usual(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    usual(header::REFERRER_POLICY, "no-referrer");
    if path_is_for_programs {
        usual(header::CACHE_CONTROL, "no-store");
    }
}

/// A page may use what comes from here, and nothing else; nobody may frame it.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
                      font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

fn without_port(host: &str) -> &str {
    match host.rfind(':') {
        Some(colon) if host[colon + 1..].bytes().all(|byte| byte.is_ascii_digit()) && !host[colon..].contains(']') => {
            &host[..colon]
        }
        _ => host,
    }
}

/// The address that a host is written as, if it is one.
fn ip_of(name: &str) -> Option<IpAddr> {
    if let Some(inner) = name.strip_prefix('[') {
        return Some(IpAddr::V6(inner.strip_suffix(']')?.parse::<Ipv6Addr>().ok()?).to_canonical());
    }
    name.parse::<Ipv4Addr>().ok().map(IpAddr::V4)
}

fn no_host() -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "bad_request", "the request has no Host header").closing()
}

fn misdirected() -> Problem {
    let detail = "the Host header names neither loopback, nor this server's address, nor one of --http-names";
    Problem::new(StatusCode::MISDIRECTED_REQUEST, "misdirected", detail)
}

fn cross_site() -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "cross_site", "a change that another site asks for is refused")
}

fn unauthorized() -> Problem {
    let detail = "the token is missing or wrong: Authorization: Bearer TOKEN, or Basic with the token as password";
    Problem::new(StatusCode::UNAUTHORIZED, "unauthorized", detail).with_header(
        header::WWW_AUTHENTICATE,
        "Basic realm=\"procession\", charset=\"UTF-8\", Bearer realm=\"procession\"",
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn safety(token: Option<&str>) -> Safety {
        let names = ["jobs.example".to_owned()];
        Safety { token: token.map(Arc::from), names: names.into(), address: "192.0.2.7".parse().unwrap() }
    }

    /// The code of the verdict; empty: it may go on.
    fn verdict(method: Method, path: &str, headers: &[(&'static str, &str)]) -> &'static str {
        verdict_of(&safety(None), method, path, headers)
    }

    fn verdict_of(safety: &Safety, method: Method, path: &str, headers: &[(&'static str, &str)]) -> &'static str {
        let mut request = TestRequest::default().method(method).uri(path);
        if !headers.iter().any(|(name, _)| *name == "host") {
            request = request.insert_header(("host", "localhost:3000"));
        }
        for header in headers {
            request = request.append_header(*header);
        }
        safety.judge(&request.to_srv_request()).err().map_or("", |problem| problem.code())
    }

    #[test]
    fn only_our_own_names_lead_here() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1:3000",
            "127.9.9.9",
            "[::1]",
            "[::1]:3000",
            "192.0.2.7",
            "Jobs.Example:1",
            "[::ffff:127.0.0.1]:3000",
        ] {
            assert_eq!(verdict(Method::GET, "/", &[("host", host)]), "", "{host}");
        }
        for host in [
            "evil.example",
            "127.0.0.1.evil",
            "localhost.evil",
            "jobs.example.evil",
            "192.0.2.8",
            "[::2]",
            "",
            "::1",
            "127.1",
            "2130706433",
            "0x7f.1",
            "localhost@evil",
            "evil:localhost",
            "[::1",
            "127.0.0.1]",
            "0.0.0.0",
        ] {
            assert_eq!(verdict(Method::GET, "/", &[("host", host)]), "misdirected", "{host}");
        }
        assert_eq!(verdict(Method::GET, "http://evil.example/", &[]), "misdirected");
    }

    #[test]
    fn another_site_changes_nothing() {
        for (headers, expected) in [
            (&[][..], ""),
            (&[("sec-fetch-site", "same-origin")], ""),
            (&[("sec-fetch-site", "none")], ""),
            (&[("sec-fetch-site", "cross-site")], "cross_site"),
            (&[("sec-fetch-site", "same-site")], "cross_site"),
            (&[("sec-fetch-site", "")], "cross_site"),
            (&[("sec-fetch-site", "same-origin"), ("sec-fetch-site", "cross-site")], "cross_site"),
            (&[("sec-fetch-site", "same-origin"), ("origin", "https://evil.example")], ""),
            (&[("origin", "http://localhost:3000")], ""),
            (&[("origin", "https://localhost:3000")], ""),
            (&[("origin", "http://localhost:3001")], "cross_site"),
            (&[("origin", "http://localhost")], "cross_site"),
            (&[("origin", "https://evil.example")], "cross_site"),
            (&[("origin", "null")], "cross_site"),
            (&[("origin", "localhost:3000")], "cross_site"),
            (&[("origin", "")], "cross_site"),
            (&[("host", "jobs.example"), ("origin", "https://jobs.example:443")], ""),
            (&[("host", "jobs.example:80"), ("origin", "http://JOBS.example")], ""),
        ] {
            assert_eq!(verdict(Method::POST, "/api/v1/queues/t/pause", headers), expected, "{headers:?}");
            assert_eq!(verdict(Method::DELETE, "/api/v1/jobs/1", headers), expected, "{headers:?}");
            assert_eq!(verdict(Method::GET, "/api/v1/assignments?type=t", headers), expected, "{headers:?}");
            assert_eq!(verdict(Method::GET, "/api/v1/%61ssignments?type=t", headers), expected, "{headers:?}");
            assert_eq!(verdict(Method::GET, "/api/v1/jobs", headers), "", "{headers:?}");
        }
    }

    #[test]
    fn a_body_is_plain_json_but_for_forms_of_pages() {
        let length = ("content-length", "5");
        for (kind, api, page) in [
            ("application/json", "", ""),
            ("Application/JSON; charset=utf-8", "", ""),
            ("application/x-www-form-urlencoded", "unsupported_media_type", ""),
            ("text/plain", "unsupported_media_type", "unsupported_media_type"),
            ("multipart/form-data; boundary=x", "unsupported_media_type", "unsupported_media_type"),
            ("application/jsonp", "unsupported_media_type", "unsupported_media_type"),
            ("", "unsupported_media_type", "unsupported_media_type"),
        ] {
            let headers = [length, ("content-type", kind)];
            assert_eq!(verdict(Method::POST, "/api/v1/jobs", &headers), api, "{kind}");
            assert_eq!(verdict(Method::POST, "/%61pi/v1/jobs", &headers), api, "{kind}");
            assert_eq!(verdict(Method::POST, "/queues/t/pause", &headers), page, "{kind}");
        }
        let chunked = [("transfer-encoding", "chunked")];
        assert_eq!(verdict(Method::POST, "/api/v1/jobs", &chunked), "unsupported_media_type");
        assert_eq!(verdict(Method::POST, "/api/v1/jobs/1/cancel", &[("content-length", "0")]), "");
        let packed = [length, ("content-type", "application/json"), ("content-encoding", "gzip")];
        assert_eq!(verdict(Method::POST, "/api/v1/jobs", &packed), "unsupported_media_type");
    }

    #[test]
    fn the_token_opens_all_but_the_probes() {
        let safety = safety(Some("s3cret:s3cret"));
        let basic = |text: &str| format!("Basic {}", BASE64.encode(text));
        for said in
            ["Bearer s3cret:s3cret", "bearer  s3cret:s3cret ", &basic("me:s3cret:s3cret"), &basic(":s3cret:s3cret")]
        {
            assert_eq!(verdict_of(&safety, Method::GET, "/api/v1/stats", &[("authorization", said)]), "", "{said}");
        }
        let wrong = [
            "",
            "Bearer",
            "Bearer ",
            "Bearer s3cret",
            "Bearer s3cret:s3creT",
            "s3cret:s3cret",
            "Digest s3cret:s3cret",
            "Basic s3cret:s3cret",
            &basic("s3cret:s3cret"),
            &basic("me"),
        ];
        for said in wrong {
            for path in ["/api/v1/stats", "/", "/metrics", "/healthz/", "/healthz%2f"] {
                assert_eq!(
                    verdict_of(&safety, Method::GET, path, &[("authorization", said)]),
                    "unauthorized",
                    "{said}"
                );
            }
            assert_eq!(verdict_of(&safety, Method::GET, "/healthz", &[("authorization", said)]), "");
        }
        assert_eq!(verdict_of(&safety, Method::GET, "/readyz", &[]), "");
        assert_eq!(verdict_of(&safety, Method::GET, "/api/v1/stats?token=s3cret:s3cret", &[]), "unauthorized");
    }
}
