//! Connections of outgoing calls: the only place that resolves a name and opens a socket for them.
//!
//! A name is resolved once, every address it has is judged, and the socket is connected to one of exactly these. A name that
//! has a good and a bad address is refused: whoever gives it both could give the bad one next time.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::{Context, Poll};

use actix_tls::connect::{ConnectError, ConnectInfo, Connection};
use actix_web::dev::Service;
use awc::http::Uri;
use futures_util::future::LocalBoxFuture;
use tokio::net::{TcpStream, lookup_host};

use super::address::Rules;
use super::client::Failure;
use super::url::{Host, Url};

/// Connects to judged addresses only.
#[derive(Clone, Debug)]
pub struct Checked(pub Rc<Rules>);

/// At most so many addresses of a name are tried.
const MAX_TRIED: usize = 4;

impl Service<ConnectInfo<Uri>> for Checked {
    type Response = Connection<Uri, TcpStream>;
    type Error = ConnectError;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&self, info: ConnectInfo<Uri>) -> Self::Future {
        let rules = self.0.clone();
        let uri = info.request().clone();
        Box::pin(async move {
            let addresses =
                judged_addresses(&rules, &uri).await.map_err(|why| ConnectError::Resolver(Box::new(why)))?;
            let stream = connect(&addresses).await.map_err(ConnectError::Io)?;
            Ok(Connection::new(uri, stream))
        })
    }
}

/// Where this URI's host may be reached.
async fn judged_addresses(rules: &Rules, uri: &Uri) -> Result<Vec<SocketAddr>, Failure> {
    let url = Url::parse(&uri.to_string()).map_err(Failure::BadUrl)?;
    let found = match url.host() {
        Host::Address(ip) => vec![SocketAddr::new(*ip, url.port())],
        Host::Name(name) => lookup_host((name.as_str(), url.port())).await.map_err(|_| Failure::Unresolved)?.collect(),
    };
    judge(rules, &found)
}

fn judge(rules: &Rules, found: &[SocketAddr]) -> Result<Vec<SocketAddr>, Failure> {
    let judged: Result<Vec<SocketAddr>, _> = found.iter().map(|address| rules.check(*address)).collect();
    match judged {
        Err(refused) => Err(Failure::Refused(refused)),
        Ok(none) if none.is_empty() => Err(Failure::Unresolved),
        Ok(good) => Ok(good),
    }
}

/// Connects to the first of these that answers.
async fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    for address in addresses.iter().take(MAX_TRIED) {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

#[cfg(test)]
mod tests {
    use super::super::address::Refused;
    use super::super::cidr::Allowed;
    use super::*;

    #[test]
    fn one_bad_address_spoils_a_name() {
        let rules = Rules::new("127.0.0.0/8".parse::<Allowed>().unwrap().ranges(true), Vec::new());
        let to = |text: &str| text.parse::<SocketAddr>().unwrap();
        assert_eq!(judge(&rules, &[to("127.0.0.1:1")]), Ok(vec![to("127.0.0.1:1")]));
        assert_eq!(judge(&rules, &[to("[::ffff:127.0.0.1]:1")]), Ok(vec![to("127.0.0.1:1")]));
        let mixed = [to("127.0.0.1:1"), to("169.254.169.254:1")];
        assert_eq!(judge(&rules, &mixed), Err(Failure::Refused(Refused::Metadata)));
        assert_eq!(judge(&rules, &[to("127.0.0.1:1"), to("8.8.8.8:1")]), Err(Failure::Refused(Refused::NotAllowed)));
        assert_eq!(judge(&rules, &[]), Err(Failure::Unresolved));
    }
}
