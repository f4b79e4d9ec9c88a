//! What every page needs of its reader and its moment, and what a page is.

use maud::{Markup, PreEscaped, Render, html};

use super::doors::Doors;
use super::link::{Link, encode};

/// Who looks, when, and at what.
#[derive(Clone, Debug)]
pub struct View {
    /// Now, in milliseconds since 1970.
    pub now_ms: u64,
    /// The address of this view: path and filters.
    pub here: Link,
    /// Which colours the reader wants.
    pub theme: Theme,
    /// Whether the page keeps itself current; not while the reader said pause.
    pub live: bool,
    /// What a deed has just done, said once.
    pub word: Option<Word>,
    /// Where examples lead. Regions have none: who watches the same page may have come through other doors.
    pub doors: Doors,
}

/// Dark or light.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum Theme {
    /// As the reader's system has it.
    #[default]
    Auto,
    /// Light.
    Light,
    /// Dark.
    Dark,
}

impl Theme {
    /// All of them.
    pub const ALL: [Theme; 3] = [Theme::Auto, Theme::Light, Theme::Dark];

    /// Its name in markup and cookies.
    pub fn as_str(self) -> &'static str {
        match self {
            Theme::Auto => "auto",
            Theme::Light => "light",
            Theme::Dark => "dark",
        }
    }

    /// The theme of this name; any other name is the system's theme.
    pub fn parse(name: &str) -> Theme {
        Theme::ALL.into_iter().find(|theme| theme.as_str() == name).unwrap_or_default()
    }
}

/// A sentence after a deed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Word {
    /// Whether the deed was done.
    pub is_good: bool,
    /// The sentence.
    pub text: String,
}

/// The places of the navigation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// The server at a glance.
    Overview,
    /// Types.
    Queues,
    /// Jobs of all types.
    Jobs,
    /// Failed jobs by error.
    Failures,
    /// Who works.
    Workers,
    /// Who submits.
    Masters,
    /// Data on its way through processors.
    Actions,
    /// The server itself.
    System,
    /// How to use it.
    Docs,
}

impl Place {
    /// All of them, in the order of the navigation.
    pub const ALL: [Place; 9] = [
        Place::Overview,
        Place::Queues,
        Place::Jobs,
        Place::Failures,
        Place::Workers,
        Place::Masters,
        Place::Actions,
        Place::System,
        Place::Docs,
    ];

    /// What it is called.
    pub fn title(self) -> &'static str {
        match self {
            Place::Overview => "Overview",
            Place::Queues => "Queues",
            Place::Jobs => "Jobs",
            Place::Failures => "Failures",
            Place::Workers => "Workers",
            Place::Masters => "Masters",
            Place::Actions => "Actions",
            Place::System => "System",
            Place::Docs => "Docs",
        }
    }

    /// Where it is.
    pub fn path(self) -> &'static str {
        match self {
            Place::Overview => "/",
            Place::Queues => "/queues",
            Place::Jobs => "/jobs",
            Place::Failures => "/failures",
            Place::Workers => "/workers",
            Place::Masters => "/masters",
            Place::Actions => "/actions",
            Place::System => "/system",
            Place::Docs => "/docs",
        }
    }

    /// The name of its shape.
    pub fn icon(self) -> &'static str {
        match self {
            Place::Overview => "overview",
            Place::Queues => "queues",
            Place::Jobs => "jobs",
            Place::Failures => "failures",
            Place::Workers => "workers",
            Place::Masters => "masters",
            Place::Actions => "actions",
            Place::System => "system",
            Place::Docs => "docs",
        }
    }

    /// The key that goes there, after `g`.
    pub fn key(self) -> &'static str {
        match self {
            Place::Overview => "o",
            Place::Queues => "q",
            Place::Jobs => "j",
            Place::Failures => "f",
            Place::Workers => "w",
            Place::Masters => "m",
            Place::Actions => "a",
            Place::System => "s",
            Place::Docs => "d",
        }
    }
}

/// A page without its frame.
#[derive(Debug)]
pub struct Page {
    /// What the tab is called.
    pub title: String,
    /// Where in the navigation it is.
    pub place: Place,
    /// What it shows.
    pub body: Markup,
    /// The parts of the body that change by themselves.
    pub regions: Vec<Region>,
    /// It has fields: without a script it isn't loaded again by itself, since what is typed would go.
    pub has_fields: bool,
}

/// A part of a page that changes by itself: it is in the page, and on the stream whenever it has changed.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its id in the document.
    pub id: &'static str,
    /// What is in it.
    pub content: Markup,
    /// Its rows, as they are in the content.
    pub rows: Vec<Row>,
    /// The content without the rows: where this is as before and the rows are the same ones, only those that changed are sent.
    pub shell: Markup,
}

/// A row of a region.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its id in the document.
    pub id: String,
    /// Its cells.
    pub cells: String,
}

impl Region {
    /// A region that is sent as a whole.
    pub fn new(id: &'static str, content: Markup) -> Region {
        Region { id, content, rows: Vec::new(), shell: PreEscaped(String::new()) }
    }

    /// A region with a table: `around` puts what surrounds it around its rows.
    pub fn of_rows(id: &'static str, rows: Vec<Row>, around: impl Fn(Markup) -> Markup) -> Region {
        let content = around(html! { @for row in &rows { (row) } });
        Region { id, content, rows, shell: around(PreEscaped(String::new())) }
    }
}

impl Render for Region {
    fn render(&self) -> Markup {
        html! { div id=(self.id) data-live { (self.content) } }
    }
}

impl Row {
    /// A row with these cells. Its id is made of the table's name and what the row is about.
    pub fn new(table: &str, about: &str, cells: Markup) -> Row {
        Row { id: format!("{table}-{}", encode(about)), cells: cells.0 }
    }
}

impl Render for Row {
    fn render(&self) -> Markup {
        html! { tr id=(self.id) { (PreEscaped(&self.cells)) } }
    }
}
