//! The config file: TOML, one key per setting, spelled as the flag.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::{ConfigError, quoted};
use super::origin::Origin;
use super::table::{Scope, TABLE};

/// The values of a config file, as text: every source speaks the language of the flags.
pub(super) type Values = BTreeMap<&'static str, String>;

/// Reads a config file. An unknown key is an error: a misspelt limit that is silently ignored protects nobody.
pub(super) fn read(path: &Path) -> Result<Values, ConfigError> {
    let unreadable = |problem: String| ConfigError::ConfigFile { path: path.to_owned(), problem };
    let mut text = String::new();
    let file = File::open(path).map_err(|error| unreadable(error.to_string()))?;
    let length =
        file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(|error| unreadable(error.to_string()))?;
    if length as u64 > MAX_FILE_BYTES {
        return Err(unreadable("it is larger than 1 MiB".to_owned()));
    }
    parse(path, &text)
}

fn parse(path: &Path, text: &str) -> Result<Values, ConfigError> {
    let table: toml::Table = toml::from_str(text).map_err(|error| {
        let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
        let message = error.message().replace('\n', ", ");
        ConfigError::ConfigFile { path: path.to_owned(), problem: format!("line {line}: {message}") }
    })?;
    table.iter().map(|(key, value)| Ok((known(path, key)?, plain(path, key, value)?))).collect()
}

fn known(path: &Path, key: &str) -> Result<&'static str, ConfigError> {
    let spelled = key.replace('_', "-").to_lowercase();
    let setting = TABLE.iter().find(|setting| setting.name == spelled);
    let hint = match setting {
        Some(setting) if setting.scope == Scope::Environment => {
            format!("it does not belong in a file that is copied around; use token-file or {}", setting.variable())
        }
        Some(setting) if setting.name == key => return Ok(setting.name),
        Some(setting) => format!("write {}", setting.name),
        None => "`procession --help` lists the settings; a key is a flag without its dashes".to_owned(),
    };
    Err(ConfigError::UnknownKey { path: path.to_owned(), key: key.to_owned(), hint })
}

fn plain(path: &Path, key: &str, value: &toml::Value) -> Result<String, ConfigError> {
    use toml::Value;
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Integer(number) => Ok(number.to_string()),
        Value::Float(number) => Ok(number.to_string()),
        Value::Boolean(switch) => Ok(switch.to_string()),
        Value::Datetime(_) | Value::Array(_) | Value::Table(_) => Err(ConfigError::Value {
            origin: Origin::File { path: path.to_owned(), key: known(path, key)? },
            problem: format!("{} is not a string, a number or a boolean", quoted(&value.to_string())),
        }),
    }
}

const MAX_FILE_BYTES: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        parse(Path::new("p.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn values_become_text() {
        let values = parse(
            Path::new("p.toml"),
            "tcp = 4000\nstore = \"memory:\"\ndrain = 0.5\ninsecure-no-auth = true\nmax-jobs = 10_000",
        );
        let expected = [
            ("tcp", "4000"),
            ("store", "memory:"),
            ("drain", "0.5"),
            ("insecure-no-auth", "true"),
            ("max-jobs", "10000"),
        ];
        assert_eq!(values.unwrap(), expected.map(|(key, text)| (key, text.to_owned())).into());
    }

    #[test]
    fn errors_are_one_line() {
        for (text, expected) in [
            ("max_body = 5", "p.toml: \"max_body\" is not a setting: write max-body"),
            (
                "tpc = 5",
                "p.toml: \"tpc\" is not a setting: `procession --help` lists the settings; a key is a flag without its dashes",
            ),
            (
                "token = \"x\"",
                "p.toml: \"token\" is not a setting: it does not belong in a file that is copied around; \
                 use token-file or PROCESSION_TOKEN",
            ),
            ("tcp = [1]", "file p.toml: tcp: \"[1]\" is not a string, a number or a boolean"),
        ] {
            assert_eq!(line(text), expected);
        }
        let broken = line("tcp = 1\ntcp = 2\n");
        assert!(broken.starts_with("p.toml: cannot read the config file: line 2: "), "{broken}");
        assert!(!line("a = \n\"").contains('\n'));
    }
}
