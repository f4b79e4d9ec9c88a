//! Calls to others: HTTP that the server itself sends, to processors and to whoever waits for an action.
//!
//! Whoever can register a URL can make the server call it, so calls are fenced in: which URLs are read at all (`url`), which
//! addresses may be connected to (`address`, `cidr`), and that a connection goes to the very address that was judged
//! (`connect`). `client` bounds the time and the size of every answer. Never here: redirects, proxies, decompression, HTTP/2.
//!
//! All of it lives in one thread of its own, so that nothing it waits for slows queues or requests.

mod address;
mod cidr;
mod client;
mod connect;
mod url;

#[cfg(test)]
mod tests;

pub use address::{Refused, Rules};
pub use cidr::{Allowed, Cidr};
pub use client::{Answer, Call, Client, Failure, Payload};
pub use url::{BadUrl, MAX_URL, Url};
