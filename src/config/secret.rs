//! A secret that cannot be printed by accident.

use std::fmt;

/// A token. `Debug` shows `***`, there is no `Display`, and [`Secret::expose`] is easy to search for.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Accepts a token: 1 to 4096 printable ASCII characters; white space around it (a file's last newline) is dropped.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let token = text.trim();
        if token.is_empty() {
            return Err("the token is empty");
        }
        if token.len() > MAX_TOKEN_BYTES {
            return Err("the token is longer than 4096 bytes");
        }
        // Anything else cannot travel in an HTTP header.
        if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("the token has characters other than printable ASCII without spaces");
        }
        Ok(Self(token.to_owned()))
    }

    /// The token itself: to compare it or to send it, never to print it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Whether it is too short to withstand guessing.
    pub fn is_weak(&self) -> bool {
        self.0.len() < STRONG_TOKEN_BYTES
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

const MAX_TOKEN_BYTES: usize = 4096;
// 128 bits in base64 are 22 characters, in hexadecimal 32; below 16 even a random one is weak.
const STRONG_TOKEN_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_trimmed_and_never_shown() {
        let secret = Secret::parse("hunter2hunter2hunter2\r\n").unwrap();
        assert_eq!(secret.expose(), "hunter2hunter2hunter2");
        assert_eq!(format!("{secret:?}"), "***");
        assert!(!secret.is_weak());
        assert!(Secret::parse("short").unwrap().is_weak());
    }

    #[test]
    fn bad_tokens_are_refused() {
        for bad in ["", " \n", "two words", "tab\there", "é", &"x".repeat(4097)] {
            assert!(Secret::parse(bad).is_err(), "{bad:?}");
        }
    }
}
