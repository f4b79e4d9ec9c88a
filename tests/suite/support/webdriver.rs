//! A browser: Debian's chromium, driven through its chromedriver over WebDriver (HTTP and JSON).
//!
//! Starting one takes a second or more, so tests borrow: whoever is done gives its browser to the next, as new, and the last
//! one ends them all. A test that fails keeps its browser from the others. Every question has a deadline.

use super::http::{AS_JSON, Http};
use super::process::{Process, TempDir};
use super::{eventually, eventually_within, has_program, json};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Value, json as value};
use std::ops::{Deref, DerefMut};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a page may take to load, or a script to run.
const PAGE: Duration = Duration::from_secs(30);

/// How long the driver may take for an answer: longer than a page.
const ANSWER: Duration = Duration::from_secs(60);

/// The member of a JSON object that refers to an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// What the window shows of a page unless a test says otherwise, in CSS pixels.
pub const WIDE: (u32, u32) = (1280, 900);

/// What a phone shows of it.
pub const NARROW: (u32, u32) = (360, 740);

/// Flags of chromium: no window, nothing of its own on the network, the same colours everywhere.
const FLAGS: [&str; 15] = [
    "--headless=new",
    // Containers have no sandbox and little shared memory.
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-sync",
    "--disable-search-engine-choice-screen",
    "--no-first-run",
    "--mute-audio",
    "--force-color-profile=srgb",
    "--lang=en-GB",
    "--window-size=1280,900",
];

/// Why there is no browser here; nothing where there is one.
pub fn missing() -> Option<&'static str> {
    static FOUND: std::sync::OnceLock<Option<&'static str>> = std::sync::OnceLock::new();
    *FOUND.get_or_init(|| match (has_program("chromium"), has_program("chromedriver")) {
        (true, true) => None,
        (false, _) => Some("chromium is missing"),
        (true, false) => Some("chromedriver is missing (chromium-driver)"),
    })
}

static POOL: Mutex<Pool> = Mutex::new(Pool { driver: None, idle: Vec::new(), lent: 0 });

/// The driver and the browsers that nobody uses at the moment.
struct Pool {
    driver: Option<Driver>,
    idle: Vec<Browser>,
    lent: usize,
}

/// The program that starts browsers.
struct Driver {
    process: Process,
    port: u16,
    // Whatever browsers leave behind goes with it.
    home: TempDir,
}

/// A browser that somebody else has next.
pub struct Borrowed(Option<Browser>);

/// A browser with one window.
pub struct Browser {
    http: Http,
    session: String,
    pid: u64,
    /// Scripts that run before those of each page, as the browser numbers them.
    added: Vec<Value>,
}

/// An element of a page, as long as the page has it.
#[derive(Debug, Clone)]
pub struct Element(Value);

/// A line of a browser's console.
#[derive(Debug, Clone)]
pub struct Line {
    /// `SEVERE`, `WARNING`, `INFO`, `DEBUG`.
    pub level: String,
    /// `javascript`, `security`, `network`, `console-api` …
    pub source: String,
    /// What it says.
    pub text: String,
}

/// A browser as new: no cookie, wide, light, scripts on, an empty page.
#[track_caller]
pub fn borrow() -> Borrowed {
    let mut pool = lock();
    pool.lent += 1;
    let idle = pool.idle.pop();
    let port = pool.driver.get_or_insert_with(Driver::start).port;
    drop(pool);
    // From here on it is counted back in also where starting one fails.
    let mut borrowed = Borrowed(idle);
    if borrowed.0.is_none() {
        borrowed.0 = Some(Browser::start(port));
    }
    borrowed.reset().unwrap_or_else(|error| panic!("expected a browser as new, got {error}"));
    borrowed
}

fn lock() -> MutexGuard<'static, Pool> {
    POOL.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let browser = self.0.take();
        let mut pool = lock();
        pool.lent -= 1;
        match browser {
            Some(browser) if !std::thread::panicking() => pool.idle.push(browser),
            Some(mut browser) => browser.end(),
            None => {}
        }
        if pool.lent == 0 {
            for mut browser in pool.idle.drain(..) {
                browser.end();
            }
            pool.driver = None;
        }
    }
}

impl Deref for Borrowed {
    type Target = Browser;

    fn deref(&self) -> &Browser {
        self.0.as_ref().expect("it is given back only at the end")
    }
}

impl DerefMut for Borrowed {
    fn deref_mut(&mut self) -> &mut Browser {
        self.0.as_mut().expect("it is given back only at the end")
    }
}

impl Driver {
    #[track_caller]
    fn start() -> Driver {
        let home = TempDir::new();
        let process = Process::spawn(Command::new("chromedriver").arg("--port=0").env("TMPDIR", home.path()));
        let port = eventually("the port of chromedriver", || {
            let said = process.stdout.text();
            let rest = said.split("successfully on port ").nth(1)?;
            rest.split('.').next()?.parse().ok()
        });
        Driver { process, port, home }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        self.process.kill();
        // A browser that was not ended by its driver would write to it for ever.
        let _ = std::fs::remove_dir_all(self.home.path());
    }
}

impl Browser {
    #[track_caller]
    fn start(port: u16) -> Browser {
        let mut http = Http::connect(([127, 0, 0, 1], port).into());
        let page = PAGE.as_millis() as u64;
        let wanted = value!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:loggingPrefs": { "browser": "ALL" },
            "goog:chromeOptions": { "args": FLAGS },
            "timeouts": { "pageLoad": page, "script": page, "implicit": 0 },
            // A dialog is an event: it stays until a test asks for it, and fails any test that doesn't expect it.
            "unhandledPromptBehavior": "ignore",
        } } });
        let started = ask(&mut http, "POST", "/session", Some(wanted))
            .unwrap_or_else(|error| panic!("expected chromium to start, got {error}"));
        let text = |name: &str| started[name].as_str().expect("a session has an id").to_owned();
        let pid = started["capabilities"]["goog:processID"].as_u64().expect("a browser is a process");
        Browser { session: text("sessionId"), http, pid, added: Vec::new() }
    }

    /// Loads a page and waits until it is whole.
    #[track_caller]
    pub fn open(&mut self, url: &str) {
        self.must("POST", "/url", value!({ "url": url }));
    }

    /// Loads the page again.
    #[track_caller]
    pub fn reload(&mut self) {
        self.must("POST", "/refresh", value!({}));
    }

    /// The address of the page.
    #[track_caller]
    pub fn url(&mut self) -> String {
        self.must("GET", "/url", Value::Null).as_str().expect("an address is text").to_owned()
    }

    /// The path and query of the page.
    #[track_caller]
    pub fn path(&mut self) -> String {
        let url = self.url();
        let path = url.splitn(4, '/').nth(3).unwrap_or_default();
        format!("/{path}")
    }

    /// What the tab is called.
    #[track_caller]
    pub fn title(&mut self) -> String {
        self.must("GET", "/title", Value::Null).as_str().expect("a title is text").to_owned()
    }

    /// Runs the body of a function with these arguments, an array, in the page: `return document.title`. Works on pages whose
    /// own scripts are off, too.
    #[track_caller]
    pub fn script(&mut self, body: &str, arguments: Value) -> Value {
        self.must("POST", "/execute/sync", value!({ "script": body, "args": arguments }))
    }

    /// As [`Browser::script`], and its value comes by calling the last argument.
    #[track_caller]
    pub fn slow_script(&mut self, body: &str, arguments: Value) -> Value {
        self.must("POST", "/execute/async", value!({ "script": body, "args": arguments }))
    }

    /// Whether an expression is true in the page.
    #[track_caller]
    pub fn is(&mut self, expression: &str) -> bool {
        self.script(&format!("return !!({expression})"), value!([])).as_bool().expect("that is a boolean")
    }

    /// The text of an expression in the page.
    #[track_caller]
    pub fn say(&mut self, expression: &str) -> String {
        let said = self.script(&format!("return String({expression})"), value!([]));
        said.as_str().expect("that is text").to_owned()
    }

    /// How many elements there are.
    #[track_caller]
    pub fn count(&mut self, css: &str) -> usize {
        let count = self.script("return document.querySelectorAll(arguments[0]).length", value!([css]));
        count.as_u64().expect("a length is a number") as usize
    }

    /// The text of an element, as it stands in the document; nothing where there is no such element.
    #[track_caller]
    pub fn find_text(&mut self, css: &str) -> Option<String> {
        let text = self.script("return document.querySelector(arguments[0])?.textContent", value!([css]));
        text.as_str().map(str::to_owned)
    }

    /// The text of an element that must be there.
    #[track_caller]
    pub fn text(&mut self, css: &str) -> String {
        self.find_text(css).unwrap_or_else(|| panic!("expected {css} on {}", self.path()))
    }

    /// The first element of this selector.
    #[track_caller]
    pub fn element(&mut self, css: &str) -> Element {
        Element(self.must("POST", "/element", value!({ "using": "css selector", "value": css })))
    }

    /// The first element of this selector with exactly this text, spaces around it aside.
    #[track_caller]
    pub fn element_saying(&mut self, css: &str, text: &str) -> Element {
        let find =
            "return [...document.querySelectorAll(arguments[0])].find(one => one.textContent.trim() === arguments[1])";
        let found = self.script(find, value!([css, text]));
        assert!(found[ELEMENT].is_string(), "expected {css} with the text {text:?} on {}", self.path());
        Element(found)
    }

    /// Clicks, as a pointer does: on what is in the middle of the element. Waits for the page that follows.
    #[track_caller]
    pub fn click(&mut self, css: &str) {
        let element = self.element(css);
        self.click_on(&element);
    }

    /// Clicks what says so.
    #[track_caller]
    pub fn click_saying(&mut self, css: &str, text: &str) {
        let element = self.element_saying(css, text);
        self.click_on(&element);
    }

    /// Clicks an element.
    #[track_caller]
    pub fn click_on(&mut self, element: &Element) {
        self.must("POST", &format!("/element/{}/click", element.id()), value!({}));
    }

    /// Clicks what leads to another page, and waits until that is there.
    #[track_caller]
    pub fn follow(&mut self, element: &Element) {
        self.script("document.documentElement.dataset.left = ''", value!([]));
        self.click_on(element);
        let is_there = "document.readyState === 'complete' && !('left' in document.documentElement.dataset)";
        eventually_in(self, "the next page", |browser| browser.is(is_there).then_some(()));
    }

    /// Types into a field, in place of what it has.
    #[track_caller]
    pub fn fill(&mut self, css: &str, text: &str) {
        let element = self.element(css);
        self.must("POST", &format!("/element/{}/clear", element.id()), value!({}));
        self.must("POST", &format!("/element/{}/value", element.id()), value!({ "text": text }));
    }

    /// Presses one key after the other, wherever the focus is.
    #[track_caller]
    pub fn press(&mut self, keys: &str) {
        let actions: Vec<Value> = keys
            .chars()
            .flat_map(|key| [value!({ "type": "keyDown", "value": key }), value!({ "type": "keyUp", "value": key })])
            .collect();
        self.must("POST", "/actions", value!({ "actions": [{ "type": "key", "id": "keys", "actions": actions }] }));
    }

    /// Moves the pointer to the middle of an element.
    #[track_caller]
    pub fn hover(&mut self, css: &str) {
        let element = self.element(css);
        let step = value!({ "type": "pointerMove", "duration": 0, "origin": element.0, "x": 0, "y": 0 });
        self.must("POST", "/actions", value!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": [step] }] }));
    }

    /// Moves the pointer to a corner of the window, where nothing is.
    #[track_caller]
    pub fn leave(&mut self) {
        let step = value!({ "type": "pointerMove", "duration": 0, "origin": "viewport", "x": 0, "y": 0 });
        self.must("POST", "/actions", value!({ "actions": [{ "type": "pointer", "id": "mouse", "actions": [step] }] }));
    }

    /// What a dialog of a script says, if there is one.
    pub fn dialog(&mut self) -> Option<String> {
        let said = self.ask("GET", "/alert/text", Value::Null).ok()?;
        said.as_str().map(str::to_owned)
    }

    /// How large the page is shown, in CSS pixels.
    #[track_caller]
    pub fn resize(&mut self, (width, height): (u32, u32)) {
        let size = value!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size);
    }

    /// Whether the reader's system is dark.
    #[track_caller]
    pub fn prefer_dark(&mut self, is_dark: bool) {
        let wanted = if is_dark { "dark" } else { "light" };
        let features = value!({ "features": [{ "name": "prefers-color-scheme", "value": wanted }] });
        self.devtools("Emulation.setEmulatedMedia", features);
    }

    /// Whether pages may run scripts; counts from the next page on.
    #[track_caller]
    pub fn allow_scripts(&mut self, may: bool) {
        self.devtools("Emulation.setScriptExecutionDisabled", value!({ "value": !may }));
    }

    /// Runs a script on each page from the next one on, before the page's own.
    #[track_caller]
    pub fn before_each_page(&mut self, script: &str) {
        let mut added = self.devtools("Page.addScriptToEvaluateOnNewDocument", value!({ "source": script }));
        self.added.push(added["identifier"].take());
    }

    /// Whether the page is out of sight, as in a tab behind another one.
    #[track_caller]
    pub fn hide(&mut self, is_hidden: bool) {
        let path = if is_hidden { "/window/minimize" } else { "/window/maximize" };
        self.must("POST", path, value!({}));
    }

    /// Closes the dialog of a script.
    #[track_caller]
    pub fn dismiss(&mut self) {
        self.must("POST", "/alert/dismiss", value!({}));
    }

    /// What the console has said since it was last asked.
    #[track_caller]
    pub fn console(&mut self) -> Vec<Line> {
        let lines = self.must("POST", "/se/log", value!({ "type": "browser" }));
        let lines = lines.as_array().expect("a log is a list").iter();
        let text = |line: &Value, name: &str| line[name].as_str().unwrap_or_default().to_owned();
        lines
            .map(|line| Line { level: text(line, "level"), source: text(line, "source"), text: text(line, "message") })
            .collect()
    }

    /// What the window shows, as a PNG.
    #[track_caller]
    pub fn picture(&mut self) -> Vec<u8> {
        let encoded = self.must("GET", "/screenshot", Value::Null);
        BASE64.decode(encoded.as_str().expect("a picture is text")).expect("a picture is in base 64")
    }

    /// A command of Chrome's own protocol.
    #[track_caller]
    pub fn devtools(&mut self, command: &str, parameters: Value) -> Value {
        self.run(command, parameters).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// As new, for whoever has it next.
    fn reset(&mut self) -> Result<(), String> {
        let (width, height) = WIDE;
        let commands = [
            ("Emulation.setScriptExecutionDisabled", value!({ "value": false })),
            ("Network.clearBrowserCookies", value!({})),
            (
                "Emulation.setEmulatedMedia",
                value!({ "features": [{ "name": "prefers-color-scheme", "value": "light" }] }),
            ),
            (
                "Emulation.setDeviceMetricsOverride",
                value!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false }),
            ),
        ];
        self.ask("POST", "/url", value!({ "url": "about:blank" }))?;
        for identifier in std::mem::take(&mut self.added) {
            self.run("Page.removeScriptToEvaluateOnNewDocument", value!({ "identifier": identifier }))?;
        }
        for (command, parameters) in commands {
            self.run(command, parameters)?;
        }
        self.ask("DELETE", "/actions", Value::Null)?;
        self.ask("POST", "/se/log", value!({ "type": "browser" }))?;
        Ok(())
    }

    fn run(&mut self, command: &str, parameters: Value) -> Result<Value, String> {
        self.ask("POST", "/goog/cdp/execute", value!({ "cmd": command, "params": parameters }))
    }

    /// Ends it, by force where its driver can't. Never panics: it may be called while a test fails.
    fn end(&mut self) {
        if self.ask("DELETE", "", Value::Null).is_err() {
            let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).status();
        }
    }

    #[track_caller]
    fn must(&mut self, method: &str, path: &str, body: Value) -> Value {
        self.ask(method, path, body.clone()).unwrap_or_else(|error| panic!("{method} {path} {body}: {error}"))
    }

    fn ask(&mut self, method: &str, path: &str, body: Value) -> Result<Value, String> {
        let target = format!("/session/{}{path}", self.session);
        ask(&mut self.http, method, &target, (method == "POST").then_some(body))
    }
}

impl Element {
    fn id(&self) -> &str {
        self.0[ELEMENT].as_str().expect("an element has an id")
    }
}

/// The value of an answer of the driver, or its error.
fn ask(http: &mut Http, method: &str, target: &str, body: Option<Value>) -> Result<Value, String> {
    let body = body.map(|body| body.to_string());
    http.start(method, target, &[AS_JSON], body.as_deref().map(str::as_bytes));
    let answer = http.answer_within(ANSWER);
    let mut said = json(answer.text());
    let value = said["value"].take();
    if answer.status == 200 {
        return Ok(value);
    }
    let (code, message) = (value["error"].as_str().unwrap_or_default(), value["message"].as_str().unwrap_or_default());
    Err(format!("{code}: {}", message.lines().next().unwrap_or_default()))
}

/// Keys without a letter, as WebDriver names them.
pub mod key {
    /// Escape.
    pub const ESCAPE: &str = "\u{e00c}";
    /// Enter.
    pub const ENTER: &str = "\u{e007}";
    /// Tab.
    pub const TAB: &str = "\u{e004}";
}

/// Polls a browser until `probe` gives something.
#[track_caller]
pub fn eventually_in<T>(browser: &mut Browser, what: &str, mut probe: impl FnMut(&mut Browser) -> Option<T>) -> T {
    eventually_within(PAGE, what, &mut || probe(browser))
}
