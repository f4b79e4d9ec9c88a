//! `healthcheck`: does a server answer? For Docker's `HEALTHCHECK`, and scripts that wait for a start.
//!
//! Over HTTP it asks `/healthz`, which asks the actors and the store; where HTTP is off, it says hello in the native protocol.

use std::time::Duration;

use crate::config::{Client, Door};

use super::wire::{Deadline, Wire};
use super::{Failure, http};

/// Asks. Silent when all is well.
pub(super) fn run(client: &Client, door: Door) -> Result<(), Failure> {
    match door {
        Door::Http => {
            let answer = http::get(client, "/healthz");
            answer.map_err(|error| Failure::failed(format!("{}: {error}", client.addr)))?;
        }
        Door::Other => {
            Wire::connect(client, "procession-healthcheck", Deadline::after(PATIENCE))?;
        }
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(5);
