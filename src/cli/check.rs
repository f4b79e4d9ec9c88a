//! `check`: the settings, and where each came from.

use std::io::Write;

use crate::config::{Origin, Settings};

use super::Failure;
use super::failure::{print, printable};

/// Prints the table of the settings, and what is unwise about them.
pub(super) fn run(settings: &Settings, out: &mut impl Write) -> Result<(), Failure> {
    let rows = settings.table();
    let names = rows.iter().map(|row| row.name.len()).max().unwrap_or(0);
    let values = rows.iter().map(|row| row.value.chars().count()).max().unwrap_or(0).min(WIDEST);
    let mut text = String::new();
    for row in rows {
        let origin = match row.origin {
            Origin::Default(_) => "default".to_owned(),
            origin => origin.to_string(),
        };
        text += &format!("{:names$}  {:values$}  {}\n", row.name, printable(&row.value), printable(&origin));
    }
    for warning in &settings.warnings {
        text += &format!("warning: {}\n", printable(warning));
    }
    print(out, &text)
}

/// Longer values push their own line only.
const WIDEST: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_aligned() {
        let mut out = Vec::new();
        run(&Settings::default(), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with("http              127.0.0.1:3000        default\n"), "{text}");
        assert!(text.contains("\ntoken             none                  default\n"), "{text}");
    }
}
