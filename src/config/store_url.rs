//! Where durable jobs live.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use super::error::quoted;

/// The store: `memory:` keeps nothing, `file:DIR` is the embedded one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreUrl {
    /// Nothing outlives the process.
    Memory,
    /// A data folder.
    File(PathBuf),
}

impl FromStr for StoreUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "memory:" {
            return Ok(Self::Memory);
        }
        match text.strip_prefix("file:") {
            // Not a file URL with a host: the path is taken as it stands.
            Some(dir) if !dir.is_empty() => Ok(Self::File(dir.into())),
            _ => Err(format!("{} is not a store: give memory: or file:DIR", quoted(text))),
        }
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory:"),
            Self::File(dir) => write!(f, "file:{}", dir.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores() {
        assert_eq!("memory:".parse(), Ok(StoreUrl::Memory));
        assert_eq!("file:a b/c".parse(), Ok(StoreUrl::File("a b/c".into())));
        for bad in ["", "memory", "memory:x", "file:", "data", "redis://localhost"] {
            assert!(bad.parse::<StoreUrl>().is_err(), "{bad:?}");
        }
    }
}
