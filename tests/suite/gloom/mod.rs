//! gloom: every row of its protocol text, compared text by text, because its clients compare whole objects.

mod errors;
mod extensions;
mod ids;
mod jobs;
mod joining;
mod leaving;
mod order;
mod wire;

use crate::support::gloom::gloom_stranger;
use crate::support::{
    Framed, Heard, PATIENCE, Server, TempDir, assert_error, eventually, frame, gloom_master, gloom_worker, json,
    native, nested,
};
use std::io::Read;
use std::time::{Duration, Instant};

const OK: &str = r#"{"ok":true}"#;
