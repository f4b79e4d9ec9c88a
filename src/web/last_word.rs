//! The last word of a connection whose request never became one: actix-web answers what can't be read below the application,
//! with a bare status. Here it gets the problem that every error has (`spec/http.md`).
//!
//! Such an answer is known by what it lacks: every answer of the application has more headers. Pure.

use actix_web::http::StatusCode;
use bytes::{BufMut, Bytes, BytesMut};

use super::problem::{MEDIA_TYPE, Problem};

/// A bare answer has so many bytes at most.
const LONGEST: usize = 256;

/// Where in `written` its last answer begins, if that is a bare one, and what is to be said in its place.
pub fn worded(written: &[u8]) -> Option<(usize, Bytes)> {
    const END: &[u8] = b"\r\n\r\n";
    const BEGIN: &[u8] = b"HTTP/1.1 4";
    // Bodies end otherwise, and heads without a body are rare.
    if !written.ends_with(END) {
        return None;
    }
    let from = written.len().saturating_sub(LONGEST);
    let begin = from + written[from..].windows(BEGIN.len()).rposition(|window| window == BEGIN)?;
    let head = std::str::from_utf8(&written[begin..written.len() - END.len()]).ok()?;
    let (line, headers) = head.split_once("\r\n")?;
    let status = StatusCode::from_bytes(line.get(9..12)?.as_bytes()).ok()?;
    let mut date = None;
    for header in headers.split("\r\n") {
        match header.split_once(": ")? {
            ("content-length", "0") | ("connection", "close") => {}
            ("date", value) => date = Some(value),
            _ => return None,
        }
    }
    Some((begin, answer(line, date, &Problem::of_status(status).to_json())))
}

fn answer(line: &str, date: Option<&str>, problem: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(LONGEST + problem.len());
    let length = problem.len();
    out.extend_from_slice(line.as_bytes());
    let head = format!(
        "\r\ncontent-length: {length}\r\ncontent-type: {MEDIA_TYPE}\r\nconnection: close\r\ncache-control: no-store\r\nx-content-type-options: nosniff"
    );
    out.extend_from_slice(head.as_bytes());
    if let Some(date) = date {
        out.extend_from_slice(b"\r\ndate: ");
        out.extend_from_slice(date.as_bytes());
    }
    out.put_slice(b"\r\n\r\n");
    out.extend_from_slice(problem);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARE: &str = "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\nconnection: close\r\ndate: Mon, 30 Nov 2026 10:15:21 GMT\r\n\r\n";

    #[test]
    fn a_bare_answer_gets_its_problem() {
        for before in ["", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nreferrer-policy: no-referrer\r\n\r\npong\n"] {
            let (begin, text) = worded(format!("{before}{BARE}").as_bytes()).expect("it is bare");
            assert_eq!(begin, before.len());
            let text = String::from_utf8(text.to_vec()).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with("HTTP/1.1 400 Bad Request\r\n") && head.contains("\r\ndate: Mon, 30 Nov"),
                "{head}"
            );
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{head}");
            assert!(body.contains(r#""status":400"#) && body.contains(r#""code":"bad_request""#), "{body}");
        }
        let many =
            BARE.replace("400 Bad Request", "431 Request Header Fields Too Large").replace("connection: close\r\n", "");
        assert!(worded(many.as_bytes()).is_some());
    }

    #[test]
    fn answers_of_the_application_pass_as_they_are() {
        for other in [
            BARE.replace("date:", "referrer-policy: no-referrer\r\ndate:"),
            BARE.replace("content-length: 0", "content-length: 2") + "{}",
            BARE.replace("400 Bad Request", "204 No Content"),
            BARE.replace("\r\n\r\n", "\r\n"),
            BARE.replace("HTTP/1.1 400", "HTTP/1.1 4"),
            "\r\n\r\n".to_owned(),
            String::new(),
            format!("{BARE}{}\r\n\r\n", "x".repeat(LONGEST)),
        ] {
            assert_eq!(worded(other.as_bytes()), None, "{other}");
        }
    }
}
