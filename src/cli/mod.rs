//! The client subcommands: small blocking programs that speak to a running server.
//!
//! They use nothing of the server but its settings. `submit` and `work` speak the native TCP protocol: there a result comes when
//! it is there, on the connection that asked for it, and a worker that dies is noticed at once; over HTTP both would have to ask
//! again and again, and a dead worker's job would wait for its lease. `stats` and `healthcheck` ask over HTTP, which alone
//! tells what the server as a whole does and how it is.

mod check;
mod failure;
mod healthcheck;
mod http;
mod signals;
mod stats;
mod submit;
mod wire;
mod work;

use crate::config::Invocation;
use crate::logging;

pub use failure::Failure;

/// Runs whatever is not a server.
///
/// # Panics
///
/// On an invocation that is a server: that one is `main`'s.
pub fn run(invocation: Invocation) -> Result<(), Failure> {
    let (stdin, stdout) = (&mut std::io::stdin().lock(), &mut std::io::stdout().lock());
    match invocation {
        Invocation::Check(settings) => check::run(&settings, stdout),
        Invocation::Submit { client, submission } => submit::run(&client, &submission, stdin, stdout),
        Invocation::Work { client, work } => {
            logging::init(client.log_format);
            work::run(&client, &work)
        }
        Invocation::Stats { client, door } => stats::run(&client, door, stdout),
        Invocation::Healthcheck { client, door } => healthcheck::run(&client, door),
        Invocation::Print(text) => failure::print(stdout, &text),
        Invocation::Serve(_) | Invocation::Deputy(_) => panic!("a server does not run in here"),
    }
}
