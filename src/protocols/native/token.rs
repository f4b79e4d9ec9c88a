//! Who may speak at all: the token that a client has to say first, where there is one.

use std::fmt;
use std::hint::black_box;
use std::sync::Arc;

/// A secret. Never shown, not even in a log line.
#[derive(Clone)]
pub(super) struct Token(Arc<str>);

impl Token {
    pub(super) fn new(secret: Arc<str>) -> Token {
        Token(secret)
    }

    /// Whether `said` is the secret, in a time that depends on nothing but the length of what was said. The one place to
    /// change for a crate that does this.
    pub(super) fn is(&self, said: &str) -> bool {
        let (secret, said) = (self.0.as_bytes(), said.as_bytes());
        let mut differences = u8::from(secret.len() != said.len());
        for (place, byte) in said.iter().enumerate() {
            let expected = secret.get(place % secret.len().max(1)).copied().unwrap_or(0);
            differences = black_box(differences | (byte ^ expected));
        }
        differences == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_secret_is_the_secret() {
        let token = Token::new("secret".into());
        assert!(token.is("secret"));
        for said in ["", "s", "secre", "secrets", "secretsecret", "Secret", "secreT"] {
            assert!(!token.is(said), "{said}");
        }
        assert_eq!(format!("{token:?}"), "a secret");
    }
}
