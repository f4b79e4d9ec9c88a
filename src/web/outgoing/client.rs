//! One call and its answer, bounded in time and size.

use std::rc::Rc;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use actix_web::http::header::{
    ACCEPT, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HttpDate, RETRY_AFTER, TRANSFER_ENCODING, USER_AGENT,
};
use awc::error::{ConnectError, SendRequestError};
use awc::http::{Method, StatusCode, Version};
use awc::{ClientResponse, Connector};
use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use log::debug;
use tokio::time::timeout;

use super::address::{Refused, Rules};
use super::connect::Checked;
use super::url::{BadUrl, Url};
use crate::core::Body;

/// How long it may take to resolve a name and to connect, and then again to agree on TLS.
const CONNECT: Duration = Duration::from_secs(3);

/// A request's body goes out in pieces of at most so many bytes, so that it isn't copied as a whole.
const PIECE: usize = 64 * 1024;

/// Connections that stay open between calls are closed after so long without one.
const IDLE: Duration = Duration::from_secs(15);

/// Calls to one place, or to many.
#[derive(Clone)]
pub struct Client {
    client: awc::Client,
    keeps_connections: bool,
}

/// What is asked of whom.
#[derive(Debug)]
pub struct Call {
    /// How.
    pub method: Method,
    /// Whom.
    pub url: Url,
    /// What: JSON.
    pub body: Option<Payload>,
    /// The whole answer must be here in this time.
    pub within: Duration,
    /// The answer may have so many bytes.
    pub at_most: usize,
}

/// A request's body, in parts that need not be copied together.
#[derive(Default, Debug)]
pub struct Payload {
    parts: Vec<Bytes>,
}

/// A whole answer, whatever its status.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// How long it asks to wait before the next try.
    pub retry_after: Option<Duration>,
    /// Its body.
    pub body: Bytes,
}

/// Why there is no whole answer.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Failure {
    /// The URL can't be called.
    #[error("the URL has {0}")]
    BadUrl(BadUrl),
    /// The URL leads to an address that may not be called.
    #[error("the URL leads to {0}")]
    Refused(Refused),
    /// The name has no address.
    #[error("the host's name has no address")]
    Unresolved,
    /// Nobody can be reached there.
    #[error("can't connect: {0}")]
    Unreachable(String),
    /// The time was over.
    #[error("no whole answer in time")]
    Late,
    /// The answer is too large.
    #[error("an answer of more than {0} bytes")]
    TooLarge(usize),
    /// The connection was lost, or what came is not HTTP.
    #[error("the connection broke: {0}")]
    Broken(String),
}

impl Client {
    /// Calls to one place, at most `calls` at a time, whose connections are used again. They close when it is dropped.
    pub fn to_one_place(rules: Rc<Rules>, calls: usize) -> Client {
        Client { client: client(rules, calls), keeps_connections: true }
    }

    /// Calls to anybody. Each has a connection of its own: nothing is left of places that are never called again.
    pub fn to_anybody(rules: Rc<Rules>) -> Client {
        // The caller bounds how many there are; 0 is no bound here.
        Client { client: client(rules, 0), keeps_connections: false }
    }

    /// Asks and waits for the whole answer. Dropping the future closes the connection.
    ///
    /// # Errors
    /// [`Failure`]: there is none.
    pub async fn call(&self, call: Call) -> Result<Answer, Failure> {
        let within = call.within;
        timeout(within, self.call_unbounded(call)).await.unwrap_or(Err(Failure::Late))
    }

    async fn call_unbounded(&self, call: Call) -> Result<Answer, Failure> {
        let Call { method, url, body, at_most, .. } = call;
        let mut request = self.client.request(method, url.uri()).insert_header((ACCEPT, "application/json"));
        if !self.keeps_connections {
            request = request.force_close();
        }
        let sent = match body {
            None => request.send().await,
            Some(payload) => {
                let size = payload.size();
                let request = request.insert_header((CONTENT_TYPE, "application/json")).content_length(size);
                request.send_body(actix_web::body::SizedStream::new(size, stream::iter(payload.pieces()))).await
            }
        };
        whole(sent.map_err(failure)?, at_most).await
    }
}

fn client(rules: Rc<Rules>, calls: usize) -> awc::Client {
    let connector = Connector::new()
        .connector(Checked(rules))
        .rustls_0_23(TLS.clone())
        .timeout(CONNECT)
        .handshake_timeout(CONNECT)
        .conn_keep_alive(IDLE)
        .limit(calls);
    awc::Client::builder()
        .connector(connector)
        .disable_redirects()
        .disable_timeout()
        .add_default_header((USER_AGENT, concat!("procession/", env!("CARGO_PKG_VERSION"))))
        .finish()
}

/// What TLS trusts: the usual roots, and those of the system (or `SSL_CERT_FILE`): processors have private ones. Read once;
/// every client shares it.
static TLS: LazyLock<Arc<rustls::ClientConfig>> = LazyLock::new(|| {
    let mut config = rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("ring has what TLS needs")
        .with_root_certificates(roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
});

fn roots() -> rustls::RootCertStore {
    use actix_tls::connect::rustls_0_23::{native_roots_cert_store, webpki_roots_cert_store};
    let mut roots = webpki_roots_cert_store();
    match native_roots_cert_store() {
        Ok(system) => roots.extend(system.roots),
        Err(why) => debug!(why:%; "the system has no certificates"),
    }
    roots
}

impl Payload {
    /// Adds text that is JSON's own.
    pub fn text(mut self, text: impl Into<String>) -> Payload {
        self.parts.push(Bytes::from(text.into()));
        self
    }

    /// Adds a body, which is not copied.
    pub fn body(mut self, body: &Body) -> Payload {
        self.parts.push(Bytes::from_owner(body.clone()));
        self
    }

    fn size(&self) -> u64 {
        self.parts.iter().map(|part| part.len() as u64).sum()
    }

    fn pieces(self) -> impl Iterator<Item = Result<Bytes, std::convert::Infallible>> {
        self.parts.into_iter().flat_map(|mut part| {
            std::iter::from_fn(move || {
                let size = part.len().min(PIECE);
                (size > 0).then(|| Ok(part.split_to(size)))
            })
        })
    }
}

/// Reads an answer to its end, and no further than allowed.
async fn whole(mut response: ClientResponse, at_most: usize) -> Result<Answer, Failure> {
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    if header(CONTENT_ENCODING).is_some_and(|encoding| !encoding.eq_ignore_ascii_case("identity")) {
        return Err(Failure::Broken("a compressed answer".to_owned()));
    }
    let retry_after = header(RETRY_AFTER).and_then(|value| wait_of(value, SystemTime::now()));
    let claimed: Option<usize> = header(CONTENT_LENGTH).and_then(|digits| digits.parse().ok());
    if claimed.is_some_and(|claimed| claimed > at_most) {
        return Err(Failure::TooLarge(at_most));
    }
    let status = response.status();
    // One that goes on to the end of the connection is legal, but the client takes it for empty.
    let is_empty = matches!(status.as_u16(), 202 | 204 | 304);
    let is_framed = claimed.is_some() || response.headers().contains_key(TRANSFER_ENCODING);
    if response.version() == Version::HTTP_11 && !is_framed && !is_empty {
        return Err(Failure::Broken("the answer has neither Content-Length nor Transfer-Encoding".to_owned()));
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = response.next().await {
        let chunk = chunk.map_err(|error| Failure::Broken(error.to_string()))?;
        if body.len() + chunk.len() > at_most {
            return Err(Failure::TooLarge(at_most));
        }
        body.extend_from_slice(&chunk);
    }
    // The client takes an end for the end, also where it came too early.
    if claimed.is_some_and(|claimed| claimed != body.len()) {
        return Err(Failure::Broken("the answer ends too early".to_owned()));
    }
    Ok(Answer { status, retry_after, body: body.freeze() })
}

/// The wait that a `Retry-After` header asks for: seconds, or a date.
fn wait_of(value: &str, now: SystemTime) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(value.parse().map_or(Duration::MAX, Duration::from_secs));
    }
    let date: SystemTime = value.parse::<HttpDate>().ok()?.into();
    Some(date.duration_since(now).unwrap_or(Duration::ZERO))
}

fn failure(error: SendRequestError) -> Failure {
    match error {
        SendRequestError::Connect(ConnectError::Resolver(why)) => match why.downcast::<Failure>() {
            Ok(why) => *why,
            Err(_) => Failure::Unresolved,
        },
        SendRequestError::Connect(ConnectError::Timeout) => Failure::Unreachable("no answer".to_owned()),
        // The pool says so of a connection that ends before the answer begins.
        SendRequestError::Connect(ConnectError::Disconnected) => Failure::Broken("no answer".to_owned()),
        SendRequestError::Connect(why) => Failure::Unreachable(why.to_string()),
        other => Failure::Broken(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_seconds_or_dates() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_777);
        for (value, wait) in [
            ("0", Some(Duration::ZERO)),
            ("120", Some(Duration::from_secs(120))),
            ("99999999999999999999999", Some(Duration::MAX)),
            ("Sun, 06 Nov 1994 08:49:47 GMT", Some(Duration::from_secs(10))),
            ("Sun, 06 Nov 1994 08:49:27 GMT", Some(Duration::ZERO)),
            ("-1", None),
            ("1e12", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait_of(value, now), wait, "{value}");
        }
    }

    #[test]
    fn a_payload_goes_out_in_pieces_and_whole() {
        let body: Body = vec![b'7'; 3 * PIECE + 1].into();
        let payload = Payload::default().text("{\"data\":").body(&body).text("}");
        let size = payload.size();
        let pieces: Vec<Bytes> = payload.pieces().map(Result::unwrap).collect();
        assert!(pieces.iter().all(|piece| piece.len() <= PIECE));
        let whole = pieces.concat();
        assert_eq!(whole.len() as u64, size);
        assert_eq!(whole, [b"{\"data\":", &*body, b"}"].concat());
    }
}
