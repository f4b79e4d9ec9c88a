//! Where the examples of the pages lead: to the host that the reader's browser asked, and to what listens beside it.

use super::form::quoted;

/// The doors of the server, as whoever reads a page can reach them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Doors {
    /// Host and port of the pages. It is one of ours: any other was refused before.
    http: String,
    /// What else listens, by the name of its setting.
    others: Vec<(String, String)>,
}

impl Doors {
    /// Those of a server that was asked as `host` and listens there.
    pub fn of(host: &str, listeners: &[(String, String)]) -> Doors {
        let name = match host.rfind(':') {
            Some(colon) if !host[colon..].contains(']') => &host[..colon],
            Some(_) | None => host,
        };
        let others = listeners.iter().map(|(what, address)| (what.clone(), reached(name, address))).collect();
        Doors { http: host.to_owned(), others }
    }

    /// What addresses of the HTTP server begin with.
    pub fn origin(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Host and port of another listener; none where it is off.
    pub fn at(&self, what: &str) -> Option<&str> {
        self.others.iter().find(|(name, _)| name == what).map(|(_, address)| address.as_str())
    }

    /// The address that clients of the native protocol take.
    pub fn native(&self) -> String {
        format!("tcp://{}", self.at("tcp").unwrap_or("HOST:PORT"))
    }

    /// A call of the API as a command for a shell.
    pub fn curl(&self, method: &str, path: &str, body: Option<&str>) -> String {
        self.curl_at(method, &format!("/api/v1{path}"), body)
    }

    /// The same of any path.
    pub fn curl_at(&self, method: &str, path: &str, body: Option<&str>) -> String {
        let verb = if method == "GET" { String::new() } else { format!(" -X {method}") };
        let data = body.map_or_else(String::new, |body| {
            format!(" \\\n  -H 'content-type: application/json' \\\n  -d {}", quoted(body))
        });
        format!("curl -sS{verb} {}{data}", quoted(&format!("{}{path}", self.origin())))
    }
}

/// Where a reader finds a listener: one that listens everywhere is found at the host of the page.
fn reached(name: &str, address: &str) -> String {
    match address.strip_prefix("0.0.0.0:").or_else(|| address.strip_prefix("[::]:")) {
        Some(port) => format!("{name}:{port}"),
        None => address.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_one_command_whatever_it_names() {
        let doors = Doors::of("127.0.0.1:3000", &[]);
        assert_eq!(
            doors.curl("POST", "/queues/it's/pause", Some("{\"a\":\"'; rm -rf /'\"}")),
            "curl -sS -X POST 'http://127.0.0.1:3000/api/v1/queues/it'\\''s/pause' \\\n  \
             -H 'content-type: application/json' \\\n  -d '{\"a\":\"'\\''; rm -rf /'\\''\"}'"
        );
        assert_eq!(doors.curl("GET", "/stats", None), "curl -sS 'http://127.0.0.1:3000/api/v1/stats'");
    }

    #[test]
    fn examples_lead_to_where_the_reader_is() {
        let listeners = [("tcp", "0.0.0.0:4001"), ("gloom-masters", "[::]:9998"), ("deputy", "10.0.0.1:11746")]
            .map(|(what, address)| (what.to_owned(), address.to_owned()));
        for (host, native) in [
            ("jobs.example:80", "jobs.example:4001"),
            ("jobs.example", "jobs.example:4001"),
            ("[::1]:3000", "[::1]:4001"),
            ("[::1]", "[::1]:4001"),
        ] {
            let doors = Doors::of(host, &listeners);
            assert_eq!(doors.native(), format!("tcp://{native}"));
            assert_eq!(doors.origin(), format!("http://{host}"));
            assert_eq!(doors.at("deputy"), Some("10.0.0.1:11746"));
        }
        assert_eq!(Doors::of("localhost", &[]).native(), "tcp://HOST:PORT");
    }
}
