//! gloom's original clients work unchanged: a client that behaves as they do, in Python, against the server.

use crate::support::server::run_command;
use crate::support::{Server, has_program, skipped};
use std::path::Path;
use std::process::Command;

#[test]
fn a_client_that_behaves_as_the_original_one_works_unchanged() {
    if !has_program("python3") {
        return skipped("original_client", "python3 is missing");
    }
    let server = Server::start();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suite/original_client.py");
    let (code, stdout, stderr) = run_command(
        Command::new("python3")
            .arg(script)
            .arg(server.gloom_masters().port().to_string())
            .arg(server.gloom_workers().port().to_string()),
    );
    assert!(
        code == Some(0) && stdout.ends_with("all checks passed\n"),
        "expected all checks to pass, got {code:?}\n{stdout}{stderr}"
    );
}
