//! The tests from outside: the real binary, real sockets, clients written from the protocol texts.
//!
//! `support` has the server as a process and the clients; every other module is one subject.

mod support;

mod across;
mod architecture;
mod bad_input;
mod browser;
mod crowd;
mod deputy;
mod durable;
mod examples;
mod gloom;
mod http;
mod native;
mod original_client;
mod processors;
mod program;
mod readme;
