//! Calls against scripted servers on loopback. Nothing leaves the machine.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use awc::http::{Method, StatusCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::*;
use crate::core::Body;

const LONG: Duration = Duration::from_secs(30);

fn client(allowed: &str, own: Vec<SocketAddr>) -> Client {
    Client::to_anybody(Rc::new(Rules::new(allowed.parse::<Allowed>().unwrap().ranges(true), own)))
}

fn get(url: &str) -> Call {
    Call { method: Method::GET, url: Url::parse(url).unwrap(), body: None, within: LONG, at_most: 1_000 }
}

/// A server that says `answer` to whatever it is sent, then closes; it tells what it was sent.
async fn server(answer: &'static [u8]) -> (SocketAddr, mpsc::UnboundedReceiver<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, heard) = mpsc::unbounded_channel();
    actix_rt::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let request = head_of(&mut socket).await;
            let _ = told.send(request);
            let _ = socket.write_all(answer).await;
        }
    });
    (address, heard)
}

async fn head_of(socket: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    while !request.windows(4).any(|end| end == b"\r\n\r\n") && socket.read_buf(&mut request).await.unwrap_or(0) > 0 {}
    request
}

async fn call(answer: &'static [u8]) -> Result<Answer, Failure> {
    let (address, _heard) = server(answer).await;
    client("127.0.0.1", Vec::new()).call(get(&format!("http://{address}/x"))).await
}

#[actix_rt::test]
async fn an_answer_comes_whole() {
    let answer = call(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await.unwrap();
    assert_eq!((answer.status, &*answer.body), (StatusCode::OK, &b"{}"[..]));
    let answer =
        call(b"HTTP/1.1 503 No\r\nRetry-After: 7\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n1\r\n1\r\n2\r\n0\r\n\r\n");
    let answer = answer.await.unwrap();
    assert_eq!((answer.status.as_u16(), &*answer.body), (503, &b"12"[..]));
    assert_eq!(answer.retry_after, Some(Duration::from_secs(7)));
    let answer = call(b"HTTP/1.0 200 OK\r\n\r\nto the end").await.unwrap();
    assert_eq!(&*answer.body, b"to the end");
    assert_eq!(call(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap().status, StatusCode::NO_CONTENT);
}

#[actix_rt::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let (elsewhere, mut visits) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    let answer = call(redirect.leak().as_bytes()).await.unwrap();
    assert_eq!(answer.status.as_u16(), 302);
    assert!(visits.try_recv().is_err());
}

#[actix_rt::test]
async fn an_answer_is_bounded() {
    let large = [b"HTTP/1.0 200 OK\r\n\r\n", &[b'x'; 5_000][..]].concat().leak();
    assert_eq!(call(large).await, Err(Failure::TooLarge(1_000)));
    let claimed = b"HTTP/1.1 200 OK\r\nContent-Length: 1001\r\n\r\n";
    assert_eq!(call(claimed).await, Err(Failure::TooLarge(1_000)));
    let chunks =
        [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", &b"1\r\nx\r\n".repeat(2_000)[..]].concat().leak();
    assert_eq!(call(chunks).await, Err(Failure::TooLarge(1_000)));
    let head = [b"HTTP/1.1 200 OK\r\nX: ", &[b'x'; 200_000][..]].concat().leak();
    assert!(matches!(call(head).await, Err(Failure::Broken(_))));
    let headers = [b"HTTP/1.1 200 OK\r\n", &b"X: y\r\n".repeat(10_000)[..]].concat().leak();
    assert!(matches!(call(headers).await, Err(Failure::Broken(_))));
}

#[actix_rt::test]
async fn what_is_not_a_whole_answer_is_broken() {
    for answer in [
        &b""[..],
        b"HTTP/1.1 200",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n\x1f\x8b",
    ] {
        let answered = call(answer).await;
        assert!(matches!(answered, Err(Failure::Broken(_))), "{answered:?} of {:?}", String::from_utf8_lossy(answer));
    }
}

#[actix_rt::test]
async fn an_answer_has_its_time() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // One that says nothing, and one that says a little at a time.
    actix_rt::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut socket, _)) = listener.accept().await {
            if kept.is_empty() {
                kept.push(socket);
                continue;
            }
            let mut wait = tokio::time::interval(Duration::from_millis(20));
            let _ = socket.write_all(b"HTTP/1.0 200 OK\r\n\r\n").await;
            while socket.write_all(b"x").await.is_ok() {
                wait.tick().await;
            }
        }
    });
    for _ in 0..2 {
        let within = Duration::from_millis(200);
        let late = client("127.0.0.1", Vec::new()).call(Call { within, ..get(&format!("http://{address}")) }).await;
        assert_eq!(late, Err(Failure::Late));
    }
}

#[actix_rt::test]
async fn refused_addresses_are_never_connected_to() {
    let (address, mut visits) = server(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let port = address.port();
    let good = client("127.0.0.0/8,::1", Vec::new());
    let own = client("127.0.0.0/8,::1", vec![SocketAddr::new([0, 0, 0, 0].into(), port)]);
    let elsewhere = client("10.0.0.0/8", Vec::new());
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]"] {
        let url = format!("http://{host}:{port}/");
        assert_eq!(own.call(get(&url)).await, Err(Failure::Refused(Refused::Own)), "{host}");
        assert_eq!(elsewhere.call(get(&url)).await, Err(Failure::Refused(Refused::NotAllowed)), "{host}");
    }
    for (host, refused) in [
        ("169.254.169.254", Refused::Metadata),
        ("[::ffff:169.254.169.254]", Refused::Metadata),
        ("[fe80::1]", Refused::LinkLocal),
        ("0.0.0.0", Refused::Unspecified),
        ("[::]", Refused::Unspecified),
        ("224.0.0.1", Refused::Multicast),
        ("255.255.255.255", Refused::Broadcast),
        ("[64:ff9b::7f00:1]", Refused::NotAllowed),
        ("[2002:7f00:1::]", Refused::NotAllowed),
    ] {
        assert_eq!(good.call(get(&format!("http://{host}:{port}/"))).await, Err(Failure::Refused(refused)), "{host}");
    }
    assert!(visits.try_recv().is_err(), "nobody was to be called");
    assert!(good.call(get(&format!("http://127.0.0.1:{port}/"))).await.is_ok());
    assert!(visits.try_recv().is_ok());
}

#[actix_rt::test]
async fn nobody_there_is_unreachable() {
    let free = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let answered = client("127.0.0.1", Vec::new()).call(get(&format!("http://{free}/"))).await;
    assert!(matches!(answered, Err(Failure::Unreachable(_))), "{answered:?}");
}

#[actix_rt::test]
async fn a_request_says_what_it_has_to() {
    let (address, mut heard) = server(b"HTTP/1.1 204 No Content\r\n\r\n").await;
    let body: Body = Body::from(&b"[1,2]"[..]);
    let payload = Payload::default().text("{\"data\":").body(&body).text("}");
    let call = Call { method: Method::POST, body: Some(payload), ..get(&format!("http://{address}/a/process?x=y")) };
    client("127.0.0.1", Vec::new()).call(call).await.unwrap();
    let request = String::from_utf8(heard.recv().await.unwrap()).unwrap().to_ascii_lowercase();
    assert!(request.starts_with("post /a/process?x=y http/1.1\r\n"), "{request}");
    for line in [
        format!("host: {address}"),
        "content-length: 14".to_owned(),
        "content-type: application/json".to_owned(),
        "connection: close".to_owned(),
        format!("user-agent: procession/{}", env!("CARGO_PKG_VERSION")),
    ] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{line} in {request}");
    }
    assert!(request.contains("accept-encoding: identity"), "{request}");
}

/// The certificate is asked for by the URL's name, although an address was connected to.
#[actix_rt::test]
async fn tls_asks_for_the_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (told, mut heard) = mpsc::unbounded_channel();
    actix_rt::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let mut hello = vec![0; 4_096];
            let size = socket.read(&mut hello).await.unwrap_or(0);
            hello.truncate(size);
            let _ = told.send(hello);
        }
    });
    let answered = client("127.0.0.1,::1", Vec::new()).call(get(&format!("https://localhost:{port}/"))).await;
    assert!(matches!(answered, Err(Failure::Unreachable(_) | Failure::Broken(_))), "{answered:?}");
    let hello = heard.recv().await.unwrap();
    assert!(hello.windows(9).any(|name| name == b"localhost"), "{hello:?}");
    assert!(!hello.windows(2).any(|protocol| protocol == b"h2"), "HTTP/1.1 only");
}

#[actix_rt::test]
async fn connections_to_one_place_are_used_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (told, mut heard) = mpsc::unbounded_channel();
    actix_rt::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            let _ = told.send(());
            actix_rt::spawn(async move {
                while !head_of(&mut socket).await.is_empty() {
                    let _ = socket.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}").await;
                }
            });
        }
    });
    let rules = Rc::new(Rules::new(Allowed::ByListeners.ranges(true), Vec::new()));
    let client = Client::to_one_place(rules, 2);
    for _ in 0..5 {
        client.call(get(&format!("http://{address}/"))).await.unwrap();
    }
    let mut connections = 0;
    while heard.try_recv().is_ok() {
        connections += 1;
    }
    assert_eq!(connections, 1);
}
