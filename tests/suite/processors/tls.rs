//! A processor behind TLS, with a certificate that its own authority signed: `openssl s_server` serves its `/meta`.

use crate::support::server::{command, free_ports};
use crate::support::{Server, TempDir, eventually, skipped};
use serde_json::json;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Ends it with the test.
struct Serving(Child);

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn openssl(folder: &Path, arguments: &str) -> Command {
    let mut command = Command::new("openssl");
    command.args(arguments.split(' ')).current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

#[test]
fn the_authorities_of_the_system_are_trusted_and_no_others() {
    if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
        return skipped("processors behind TLS", "openssl is missing");
    }
    let dir = TempDir::new();
    let site = dir.path().join("site");
    std::fs::create_dir(&site).unwrap();
    // `s_server -WWW` serves files as they are; this one is asked for as `/meta`.
    std::fs::write(site.join("meta"), r#"{"id":"p","name":"n","cpu":0.5}"#).unwrap();
    let new = "req -x509 -newkey rsa:2048 -nodes -days 2";
    let authority = format!("{new} -keyout ca-key.pem -out ca.pem -subj /CN=authority");
    let own = format!(
        "{new} -CA ca.pem -CAkey ca-key.pem -keyout key.pem -out cert.pem -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost -addext basicConstraints=critical,CA:FALSE"
    );
    for make in [authority, own] {
        assert!(openssl(&site, &make).status().unwrap().success(), "{make}");
    }
    let port = free_port();
    let serve = format!("s_server -accept 127.0.0.1:{port} -cert cert.pem -key key.pem -WWW -quiet");
    let _serving = Serving(openssl(&site, &serve).spawn().unwrap());
    eventually("openssl to listen", || TcpStream::connect(("127.0.0.1", port)).ok());
    let card = json!({"id": "p", "name": "n", "url": format!("https://localhost:{port}")});

    let stranger = Server::start();
    stranger.post_path("/register", &card).expect_problem(422, "unreachable");
    let mut command = command(dir.path());
    command.args(free_ports()).env("SSL_CERT_FILE", site.join("ca.pem"));
    let server = Server::spawn(TempDir::new(), &mut command);
    let answer = server.post_path("/register", &card);
    assert_eq!((answer.status, &answer.json()["cpu"]), (201, &json!(0.5)), "{answer:?}");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
