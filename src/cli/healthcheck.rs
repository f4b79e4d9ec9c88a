//! `healthcheck`: does a server answer? For Docker's `HEALTHCHECK`, and scripts that wait for a start.

use std::time::Duration;

use crate::config::Client;

use super::Failure;
use super::wire::{Deadline, Wire};

/// Says hello. Silent when all is well.
pub(super) fn run(client: &Client) -> Result<(), Failure> {
    Wire::connect(client, "procession-healthcheck", Deadline::after(PATIENCE))?;
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(5);
