//! The program: settings → logger → server or client.

use std::process::ExitCode;

use procession::config::{self, Invocation};
use procession::{cli, logging, server};

/// Messages come and go in bursts, more than glibc's caches hold; and large buffers that are hardly touched cost only what is
/// touched: 4 KiB less for a poll that waits.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let invocation = match config::load(std::env::args_os(), |name| std::env::var_os(name)) {
        Ok(invocation) => invocation,
        Err(error) => {
            eprintln!("procession: {error}");
            return ExitCode::from(config::EXIT_USAGE);
        }
    };
    match invocation {
        Invocation::Serve(settings) | Invocation::Deputy(settings) => {
            logging::init(settings.log_format);
            for warning in &settings.warnings {
                log::warn!("{warning}");
            }
            match server::run(*settings) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("procession: {error}");
                    ExitCode::from(config::EXIT_USAGE)
                }
            }
        }
        client => match cli::run(client) {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        },
    }
}
