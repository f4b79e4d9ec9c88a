//! The settings: flag > environment > file > default, each value with its origin.
//!
//! A setting is one row of `table`: its name is its flag (`--max-body`), its key in the file (`max-body`) and, in
//! capitals, its variable (`PROCESSION_MAX_BODY`). [`load()`] turns the command line into an [`Invocation`]; it reads
//! the config file, the token file and `/proc/meminfo`, and it creates nothing, opens no socket and prints nothing.

mod command_line;
mod error;
mod file;
mod invocation;
mod listen;
mod load;
mod memory;
mod origin;
mod secret;
mod settings;
mod store_url;
mod table;
mod units;

pub use error::ConfigError;
pub use invocation::{Client, Door, Invocation, Submission, Work};
pub use listen::Listen;
pub use load::load;
pub use origin::Origin;
pub use secret::Secret;
pub use settings::{SettingRow, Settings};
pub use store_url::StoreUrl;

/// The exit code of every error in a command line or a setting.
pub const EXIT_USAGE: u8 = 2;
