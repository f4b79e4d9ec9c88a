//! Pages and assets, asked for by a browser.

use actix_web::http::header::HeaderValue;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};

use super::doors::Doors;
use super::goal::Goal;
use super::link::{Link, decode_path, encode};
use super::load::{Loaded, load};
use super::view::{Page, Place, Theme, View, Word};
use super::{fault, layout};
use crate::web::outside::wall_ms;
use crate::web::problem::Problem;
use crate::web::safety::is_for_programs;
use crate::web::{Site, assets};

/// A page.
pub async fn page(site: web::Data<Site>, request: HttpRequest) -> HttpResponse {
    let view = view(&request);
    let loaded = match Goal::of(&view.here) {
        Some(goal) => load(&site, &view, &goal).await,
        None => {
            let page = fault::unknown(Place::Overview, &view.here.path, "Nothing is at this address.");
            Loaded { status: StatusCode::NOT_FOUND, page }
        }
    };
    answer(loaded.status, &view, &loaded.page)
}

/// Whether a browser asks, for somebody who reads the answer.
pub fn is_by_browser(request: &HttpRequest) -> bool {
    let accepted = request.headers().get(header::ACCEPT).map(HeaderValue::as_bytes).unwrap_or_default();
    let takes_pages = accepted.split(|byte| *byte == b',').any(|kind| kind.trim_ascii().starts_with(b"text/html"));
    takes_pages && !is_for_programs(request.match_info().unprocessed())
}

/// A file of the binary.
pub async fn asset(request: HttpRequest) -> Result<HttpResponse, Problem> {
    let asset = assets::find(request.uri().path()).ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok()
        .insert_header((header::CONTENT_TYPE, asset.media_type))
        .insert_header((header::CACHE_CONTROL, assets::CACHE_CONTROL))
        .body(asset.bytes))
}

/// What browsers ask for unasked: every page names its mark, so this is for those that don't look.
pub async fn favicon() -> HttpResponse {
    HttpResponse::PermanentRedirect().insert_header((header::LOCATION, assets::href("mark.svg"))).finish()
}

/// A document. Nobody keeps it: it is of this moment.
pub(super) fn answer(status: StatusCode, view: &View, page: &Page) -> HttpResponse {
    let mut answer = HttpResponse::build(status);
    answer.insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"));
    answer.insert_header((header::CACHE_CONTROL, "no-cache"));
    if view.word.is_some() {
        // It is said once.
        set_cookie(&mut answer, WORD, "", 0);
    }
    answer.body(layout::document(view, page).0)
}

/// Who looks, and at what.
pub(super) fn view(request: &HttpRequest) -> View {
    let cookies = Cookies::of(request);
    View {
        now_ms: wall_ms(),
        here: Link::parse(request.uri().path(), request.query_string()),
        theme: Theme::parse(&cookies.value(THEME)),
        live: cookies.value(LIVE) != "off",
        word: word_in(&cookies.value(WORD)),
        doors: doors(request),
    }
}

/// Where the reader has come in, and what else is open.
fn doors(request: &HttpRequest) -> Doors {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let site = request.app_data::<web::Data<Site>>();
    let (listeners, asks_token): (&[_], bool) =
        site.map_or((&[], false), |site| (&site.about.listeners, site.safety.token.is_some()));
    Doors::of(host, listeners, asks_token)
}

/// Which colours.
pub(super) const THEME: &str = "theme";
/// Whether pages keep themselves current.
pub(super) const LIVE: &str = "live";
/// What a deed has done.
const WORD: &str = "word";

/// A year, in seconds.
pub(super) const YEAR: u32 = 365 * 24 * 3_600;
/// A word is for the very next page.
const SOON: u32 = 60;
/// The longest word, in bytes: a cookie has no room for more than about 4,000 when it is encoded.
const LONGEST_WORD: usize = 600;

/// Sends the reader to a page of ours, with a word to be said there.
pub(super) fn see_other(to: &str, word: Option<&Word>) -> HttpResponse {
    let mut answer = HttpResponse::SeeOther();
    answer.insert_header((header::LOCATION, local(to)));
    if let Some(word) = word {
        let mut text = word.text.as_str();
        while text.len() > LONGEST_WORD {
            text = &text[..text.floor_char_boundary(LONGEST_WORD)];
        }
        set_cookie(&mut answer, WORD, &format!("{}{}", if word.is_good { '+' } else { '-' }, encode(text)), SOON);
    }
    answer.finish()
}

pub(super) fn set_cookie(answer: &mut HttpResponseBuilder, name: &str, value: &str, seconds: u32) {
    let cookie = format!("{name}={value}; Path=/; Max-Age={seconds}; SameSite=Strict");
    answer.append_header((header::SET_COOKIE, cookie));
}

/// An address of this server, or its first page: nobody is sent elsewhere.
pub(super) fn local(address: &str) -> &str {
    let is_plain = address.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if address.starts_with('/') && !address.starts_with("//") && is_plain { address } else { "/" }
}

fn word_in(cookie: &str) -> Option<Word> {
    let is_good = cookie.starts_with('+');
    let text = cookie.strip_prefix(['+', '-'])?;
    Some(Word { is_good, text: decode_path(text) })
}

/// The cookies of a request, as they were sent.
struct Cookies<'a>(Vec<&'a str>);

impl Cookies<'_> {
    fn of(request: &HttpRequest) -> Cookies<'_> {
        Cookies(request.headers().get_all(header::COOKIE).filter_map(|value| value.to_str().ok()).collect())
    }

    fn value(&self, name: &str) -> String {
        let pairs = self.0.iter().flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        pairs.filter(|(other, _)| *other == name).map(|(_, value)| value.to_owned()).next().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    #[test]
    fn nobody_is_sent_elsewhere() {
        for ours in ["/", "/jobs?q=a&type=%2F", "/queues/a%2Fb"] {
            assert_eq!(local(ours), ours);
        }
        for other in ["", "//evil.example/", "/\\evil.example", "https://evil.example", "/a\r\nset-cookie: x=y", "/ä"]
        {
            assert_eq!(local(other), "/", "{other}");
        }
    }

    #[test]
    fn a_word_survives_the_way_to_the_next_page() {
        let word = Word { is_good: false, text: "3 of 5; <b>\"ü\"</b> = +".to_owned() };
        let answer = see_other("/jobs", Some(&word));
        let cookie = answer.headers().get(header::SET_COOKIE).unwrap().to_str().unwrap();
        let sent = cookie.split(';').next().unwrap();
        let request =
            TestRequest::default().insert_header(("cookie", format!("a=b; {sent}; theme=dark"))).to_http_request();
        let view = view(&request);
        assert_eq!(view.word, Some(word));
        assert_eq!(view.theme, Theme::Dark);
        assert!(view.live);
        let long = Word { is_good: true, text: "ü".repeat(10_000) };
        let answer = see_other("/", Some(&long));
        assert!(answer.headers().get(header::SET_COOKIE).unwrap().len() < 4_000);
    }
}
