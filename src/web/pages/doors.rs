//! Where the examples of the pages lead: to the host that the reader's browser asked, and to what listens beside it.

use super::form::quoted;

/// The doors of the server, as whoever reads a page can reach them.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Doors {
    /// Host and port of the pages. It is one of ours: any other was refused before.
    http: String,
    /// What else listens, by the name of its setting.
    others: Vec<(String, String)>,
    /// Whoever comes in has to know a token. Examples take it from the environment, so that no page ever shows it.
    asks_token: bool,
}

impl Doors {
    /// Those of a server that was asked as `host` and listens there, perhaps only to those who know its token.
    pub fn of(host: &str, listeners: &[(String, String)], asks_token: bool) -> Doors {
        let name = match host.rfind(':') {
            Some(colon) if !host[colon..].contains(']') => &host[..colon],
            Some(_) | None => host,
        };
        let others = listeners.iter().map(|(what, address)| (what.clone(), reached(name, address))).collect();
        Doors { http: host.to_owned(), others, asks_token }
    }

    /// What addresses of the HTTP server begin with.
    pub fn origin(&self) -> String {
        format!("http://{}", self.http)
    }

    /// Host and port of another listener; none where it is off.
    pub fn at(&self, what: &str) -> Option<&str> {
        self.others.iter().find(|(name, _)| name == what).map(|(_, address)| address.as_str())
    }

    /// Whether a token has to be known.
    pub fn asks_token(&self) -> bool {
        self.asks_token
    }

    /// The address that clients of the native protocol take.
    fn native(&self) -> String {
        format!("tcp://{}", self.at("tcp").unwrap_or("HOST:PORT"))
    }

    /// What a client of the Python package that speaks the native protocol is made from.
    pub fn of_python(&self) -> String {
        let token = if self.asks_token { ", token=os.environ[\"PROCESSION_TOKEN\"]" } else { "" };
        format!("\"{}\"{token}", self.native())
    }

    /// What a Python program that uses [`Doors::of_python`] begins with.
    pub fn python_begins(&self) -> &'static str {
        if self.asks_token { "import os\n" } else { "" }
    }

    /// What a call with curl says of whom it comes from.
    pub fn proof(&self) -> &'static str {
        if self.asks_token { " \\\n  -H \"Authorization: Bearer $PROCESSION_TOKEN\"" } else { "" }
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
        format!("curl -sS{verb} {}{}{data}", quoted(&format!("{}{path}", self.origin())), self.proof())
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
        let doors = Doors::of("127.0.0.1:3000", &[], false);
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
            let doors = Doors::of(host, &listeners, false);
            assert_eq!(doors.native(), format!("tcp://{native}"));
            assert_eq!(doors.origin(), format!("http://{host}"));
            assert_eq!(doors.at("deputy"), Some("10.0.0.1:11746"));
        }
        assert_eq!(Doors::of("localhost", &[], false).native(), "tcp://HOST:PORT");
    }

    #[test]
    fn examples_bring_the_token_but_never_show_it() {
        let doors = Doors::of("localhost:3000", &[("tcp".to_owned(), "127.0.0.1:3001".to_owned())], true);
        assert_eq!(
            doors.curl("GET", "/stats", None),
            "curl -sS 'http://localhost:3000/api/v1/stats' \\\n  -H \"Authorization: Bearer $PROCESSION_TOKEN\""
        );
        assert_eq!(doors.of_python(), "\"tcp://127.0.0.1:3001\", token=os.environ[\"PROCESSION_TOKEN\"]");
        assert_eq!(doors.python_begins(), "import os\n");
    }
}
