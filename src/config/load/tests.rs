//! Precedence, origins, and the exact line of every error.

use std::fs;

use super::*;
use crate::config::{Door, StoreUrl, Submission, Work};
use crate::logging::LogFormat;

/// A folder that is gone afterwards.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("procession-config-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn invocation(args: &[&str], env: &[(&str, &str)]) -> Result<Invocation, ConfigError> {
    let args = std::iter::once("procession").chain(args.iter().copied()).map(OsString::from);
    load(args, |name| env.iter().find(|(key, _)| *key == name).map(|(_, value)| OsString::from(value)))
}

fn settings(args: &[&str], env: &[(&str, &str)]) -> Settings {
    match invocation(args, env).unwrap() {
        Invocation::Serve(settings) | Invocation::Check(settings) | Invocation::Deputy(settings) => *settings,
        other => panic!("{other:?}"),
    }
}

fn line(args: &[&str], env: &[(&str, &str)]) -> String {
    invocation(args, env).unwrap_err().to_string()
}

#[test]
fn nothing_given_works() {
    let settings = settings(&[], &[]);
    let shown: Vec<String> = settings.table().into_iter().take(10).map(|row| row.value).collect();
    assert_eq!(
        shown,
        [
            "127.0.0.1:3000",
            "127.0.0.1:3001",
            "127.0.0.1:9998",
            "127.0.0.1:9999",
            "127.0.0.1:11746",
            "none",
            "none",
            "file:procession-data",
            "none",
            "1"
        ]
    );
    assert!(settings.table().iter().all(|row| row.origin == Origin::Default(row.name)));
    assert!(settings.warnings.is_empty());
}

#[test]
fn flag_over_environment_over_file_over_default() {
    let folder = Folder::new("precedence");
    let path = folder.file("p.toml", "threads = 2\nmax-depth = 20\nmax-jobs = 200\n");
    let env = [
        ("PROCESSION_CONFIG", path.as_str()),
        ("PROCESSION_THREADS", "3"),
        ("PROCESSION_MAX_DEPTH", "30"),
        ("PROCESSION_MAX_TYPES", ""),
    ];
    let settings = settings(&["--threads", "4", "serve"], &env);
    assert_eq!((settings.threads, settings.origin("threads")), (4, Origin::Flag("--threads".to_owned())));
    let environment = Origin::Environment("PROCESSION_MAX_DEPTH".to_owned());
    assert_eq!((settings.limits.max_depth, settings.origin("max-depth")), (30, environment));
    let file = Origin::File { path: path.into(), key: "max-jobs" };
    assert_eq!((settings.limits.max_jobs, settings.origin("max-jobs")), (200, file));
    assert_eq!((settings.limits.max_types, settings.origin("max-types")), (10_000, Origin::Default("max-types")));
}

#[test]
fn every_setting_is_a_flag_a_variable_and_a_key() {
    let folder = Folder::new("every");
    for setting in TABLE.iter().filter(|setting| setting.scope != Scope::Environment) {
        let value = match setting.name {
            "store" => "memory:",
            "token-file" => &folder.file("token", "0123456789abcdef"),
            "log-format" => "json",
            "insecure-no-auth" => "true",
            "outgoing-allow" => "10.0.0.0/8,fd00::/8",
            _ => "300",
        };
        let variable = setting.variable();
        let value = if setting.name == "threads" { "30" } else { value };
        let flag = format!("--{}={value}", setting.name);
        let file = folder.file("every.toml", &format!("{} = {value:?}", setting.name));
        let ways = [
            settings(&["check", &flag], &[]),
            settings(&[], &[(&variable, value)]),
            settings(&["--config", &file], &[]),
        ];
        let shown = ways.each_ref().map(|settings| (setting.show)(settings));
        assert!(
            shown.iter().all(|each| *each == shown[0] && *each != (setting.show)(&Settings::default())),
            "{shown:?}"
        );
        assert!(ways.iter().all(|settings| settings.origins.contains_key(setting.name)), "{}", setting.name);
    }
}

#[test]
fn the_inner_flag_wins() {
    assert_eq!(settings(&["--tcp", "1", "serve", "--tcp", "2"], &[]).tcp.to_string(), "127.0.0.1:2");
    assert_eq!(settings(&["--tcp", "1", "check"], &[]).tcp.to_string(), "127.0.0.1:1");
}

#[test]
fn error_lines() {
    let folder = Folder::new("errors");
    let config = folder.file("p.toml", "keepalive = \"0.1s\"");
    let (missing, empty) = (format!("{}/missing", folder.0.display()), folder.file("empty", "\n"));
    let file_line = format!(
        "file {config}: keepalive: \"0.1s\" is not a time from 1s to 3600s: give seconds, or 500ms, 30s, 2m, 1h"
    );
    let missing_line = format!("{missing}: cannot read the config file: No such file or directory (os error 2)");
    let empty_line = format!("flag --token-file: {empty:?}: the token is empty");
    let env_token = [("PROCESSION_TOKEN", "0123456789abcdef"), ("PROCESSION_TOKEN_FILE", empty.as_str())];
    for (args, env, expected) in [
        (
            &["--tcp", "localhost:1"][..],
            &[][..],
            "flag --tcp: \"localhost:1\" is not an address: give IP:PORT (127.0.0.1:3001, [::1]:3001), PORT or off",
        ),
        (&["--tcp", "65536"], &[], "flag --tcp: \"65536\" is not a port: give 0 to 65535"),
        (
            &[],
            &[("PROCESSION_THREADS", "0\n")],
            "environment PROCESSION_THREADS: \"0\\n\" is not a whole number from 1 to 256",
        ),
        (
            &["--max-body", "257MiB"],
            &[],
            "flag --max-body: \"257MiB\" is not a size from 64 to 256MiB: give bytes, or KiB, MiB, GiB",
        ),
        (&["--config", &config], &[], &file_line),
        (&["--config", &missing], &[], &missing_line),
        (&["--config="], &[], "flag --config: an empty path: give the path of a TOML file"),
        (&["--store", "redis://x"], &[], "flag --store: \"redis://x\" is not a store: give memory: or file:DIR"),
        (
            &["--http-names", "a.example, b:80"],
            &[],
            "flag --http-names: \"b:80\" is not a host name: give names without port, or none",
        ),
        (&["--log-format", "xml"], &[], "flag --log-format: \"xml\" is not a log format: give text or json"),
        (
            &["--tcp", "0.0.0.0:3001"],
            &[],
            "flag --tcp: 0.0.0.0:3001 is not a loopback address and there is no token: \
             set PROCESSION_TOKEN or --token-file, or accept anybody with --insecure-no-auth",
        ),
        (
            &["--gloom-workers", "3001"],
            &[],
            "flag --gloom-workers: 127.0.0.1:3001 is already taken by default of tcp: give one of them another port, or `off`",
        ),
        (&["--token-file", &empty], &[], &empty_line),
        (&[], &env_token, "environment PROCESSION_TOKEN_FILE: PROCESSION_TOKEN is set, too: keep one of them"),
        (
            &["stats"],
            &[("PROCESSION_HTTP", "off"), ("PROCESSION_DEPUTY", "off")],
            "environment PROCESSION_DEPUTY: this listener is off: give the address of the server with --deputy IP:PORT",
        ),
        (
            &["healthcheck", "--tcp", "0"],
            &[],
            "flag --tcp: port 0 is any free port: give the address of the server with --tcp IP:PORT",
        ),
        (
            &["--treads", "1"],
            &[],
            "unexpected argument '--treads' found (a similar argument exists: '--threads'): see `procession --help`",
        ),
        (
            &["--token=x"],
            &[],
            "unexpected argument '--token' found (a similar argument exists: '--token-file'): see `procession --help`",
        ),
        (
            &["sreve"],
            &[],
            "unrecognized subcommand 'sreve' (a similar subcommand exists: 'serve'): see `procession --help`",
        ),
        (&["submit", "t"], &[], "the following required arguments were not provided: <BODY>: see `procession --help`"),
        (&["\u{7}x"], &[], "unrecognized subcommand 'x': see `procession --help`"),
    ] {
        assert_eq!(line(args, env), expected, "{args:?} {env:?}");
    }
}

#[test]
fn who_may_be_reached() {
    let token = [("PROCESSION_TOKEN", "0123456789abcdef")];
    let open = ["--deputy", "[::]:1"];
    assert!(invocation(&open, &[]).is_err());
    let settings_with = settings(&open, &token);
    assert_eq!(settings_with.token.unwrap().expose(), "0123456789abcdef");
    assert_eq!(settings_with.warnings, ["anybody who reaches [::]:1 (deputy) may use it: its protocol has no tokens"]);
    assert!(settings(&["--tcp", "[::]:1", "--http", "[::]:2"], &token).warnings.is_empty());
    let insecure = settings(&["--deputy", "[::]:1", "--insecure-no-auth"], &[]);
    assert_eq!(insecure.warnings, ["anybody who reaches [::]:1 (deputy) may use it: --insecure-no-auth"]);
    assert_eq!(settings(&[], &[("PROCESSION_TOKEN", "short")]).warnings.len(), 1);
    for loopback in ["127.3.2.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(invocation(&["--deputy", loopback], &[]).is_ok(), "{loopback}");
    }
}

#[test]
fn addresses_clash_or_not() {
    for (deputy, clashes) in [
        ("127.0.0.1:3001", true),
        ("0.0.0.0:3001", true),
        ("127.0.0.2:3001", false),
        ("[::1]:3001", false),
        ("[::]:3001", false),
    ] {
        let error = invocation(&["--deputy", deputy, "--insecure-no-auth"], &[]).err();
        assert_eq!(matches!(error, Some(ConfigError::AddressTwice { .. })), clashes, "{deputy}");
    }
    assert!(invocation(&["--deputy", "0", "--tcp", "0"], &[]).is_ok());
}

#[test]
fn a_token_is_never_shown() {
    let folder = Folder::new("token");
    let path = folder.file("token", "hunter2hunter2hunter2\r\n");
    let settings = settings(&["--token-file", &path], &[("PROCESSION_TOKEN", "weaker")]);
    assert_eq!(settings.token.as_ref().unwrap().expose(), "hunter2hunter2hunter2");
    assert!(!format!("{settings:?} {:?}", settings.table()).contains("hunter2"));
    let row = settings.table().into_iter().find(|row| row.name == "token").unwrap();
    assert_eq!((row.value.as_str(), row.origin), ("***", Origin::Flag("--token-file".to_owned())));

    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let warned = super::tests::settings(&["--token-file", &path], &[]);
    assert!(warned.warnings[0].starts_with("anybody may read the token file"), "{:?}", warned.warnings);
}

#[test]
fn deputy_has_its_own_command_line() {
    let env = [("PROCESSION_TCP", "4000"), ("PROCESSION_STORE", "file:x"), ("PROCESSION_MAX_DEPTH", "9")];
    let deputy = settings(&["deputy", "-h", "127.0.0.2", "-p", "5", "-s", "/tmp/d", "-v"], &env);
    let addresses = deputy.listeners().map(|(_, listen)| listen.to_string());
    assert_eq!(addresses, ["off", "off", "off", "off", "127.0.0.2:5"]);
    assert_eq!(deputy.deputy_socket, Some("/tmp/d".into()));
    assert!(deputy.deputy_verbose);
    assert_eq!((deputy.store, deputy.limits.max_depth), (StoreUrl::Memory, 9));
    let plain = settings(&["deputy"], &[("PROCESSION_DEPUTY", "off"), ("PROCESSION_DEPUTY_SOCKET", "/x")]);
    assert_eq!((plain.deputy.to_string().as_str(), plain.deputy_socket), ("127.0.0.1:11746", None));
    assert!(!plain.deputy_verbose);
    assert_eq!(line(&["deputy", "-h", "0.0.0.0"], &[]).split(':').next(), Some("subcommand deputy"));
}

#[test]
fn client_commands() {
    let args =
        ["submit", "t", "-5", "--wait", "--id", "i", "--priority", "-3", "--timeout", "1.5", "--tcp", "0.0.0.0:9"];
    let Invocation::Submit { client, submission } = invocation(&args, &[("PROCESSION_TOKEN", "x")]).unwrap() else {
        panic!("not a submit");
    };
    assert_eq!((client.addr.to_string().as_str(), client.token.unwrap().expose()), ("127.0.0.1:9", "x"));
    let expected = Submission {
        job_type: "t".to_owned(),
        body: "-5".to_owned(),
        wait: true,
        id: Some("i".to_owned()),
        priority: Some(-3),
        timeout: Some(std::time::Duration::from_millis(1500)),
    };
    assert_eq!(submission, expected);

    let Invocation::Work { client, work } =
        invocation(&["work", "t", "--exec", "cat", "--log-format=json"], &[]).unwrap()
    else {
        panic!("not a work");
    };
    assert_eq!(client.log_format, LogFormat::Json);
    assert_eq!(work, Work { job_type: "t".to_owned(), exec: "cat".to_owned(), concurrency: 1 });
    for bad in ["0", "1001", "x"] {
        assert!(invocation(&["work", "t", "--exec", "cat", "--concurrency", bad], &[]).is_err());
    }
    for (args, env, expected) in [
        (&["stats"][..], &[][..], (3000, Door::Http)),
        (&["stats"], &[("PROCESSION_HTTP", "off")], (11746, Door::Other)),
        (&["stats"], &[("PROCESSION_DEPUTY", "5")], (3000, Door::Http)),
        (&["stats", "--deputy", "5"], &[], (5, Door::Other)),
        (&["stats", "--deputy", "5", "--http", "6"], &[], (6, Door::Http)),
        (&["healthcheck"], &[], (3000, Door::Http)),
        (&["healthcheck", "--tcp", "5"], &[], (5, Door::Other)),
    ] {
        let found = match invocation(args, env).unwrap() {
            Invocation::Stats { client, door } | Invocation::Healthcheck { client, door } => (client.addr.port(), door),
            other => panic!("{other:?}"),
        };
        assert_eq!(found, expected, "{args:?} {env:?}");
    }
    // Somebody else's server may be anywhere.
    assert!(matches!(invocation(&["healthcheck", "--tcp", "10.0.0.1:5"], &[]), Ok(Invocation::Healthcheck { .. })));
}

#[test]
fn help_and_version() {
    let Invocation::Print(help) = invocation(&["--help"], &[]).unwrap() else { panic!("no help") };
    assert!(TABLE.iter().all(|setting| help.contains(&format!("--{}", setting.name))), "{help}");
    let Invocation::Print(version) = invocation(&["--version"], &[]).unwrap() else { panic!("no version") };
    assert_eq!(version, format!("procession {}\n", env!("CARGO_PKG_VERSION")));
    assert!(matches!(invocation(&["deputy", "--help"], &[]), Ok(Invocation::Print(_))));
}

#[test]
fn what_is_not_unicode_is_refused() {
    use std::os::unix::ffi::OsStringExt;
    let args = ["procession".into(), "--store".into(), OsString::from_vec(b"file:\xff".to_vec())];
    let error = load(args.into_iter(), |_| None).unwrap_err().to_string();
    assert_eq!(error, "flag --store: \"file:\u{fffd}\" is not valid UTF-8");
}
