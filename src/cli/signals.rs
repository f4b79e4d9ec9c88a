//! SIGTERM and SIGINT, as something that a plain thread can wait for.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::thread;

use tokio::signal::unix::{SignalKind, signal};

/// Calls `heard` on a thread of its own for each SIGTERM and SIGINT, until it says that it heard enough.
pub(super) fn listen(mut heard: impl FnMut() -> bool + Send + 'static) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    // Installed before anything else happens, so that no signal is lost.
    let (mut term, mut int) = {
        let _guard = runtime.enter();
        (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?)
    };
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        runtime.block_on(async {
            loop {
                poll_fn(|cx| if term.poll_recv(cx).is_ready() { Poll::Ready(()) } else { int.poll_recv(cx).map(drop) })
                    .await;
                if !heard() {
                    break;
                }
            }
        });
    })?;
    Ok(())
}
