//! Parts of tables: headings that sort, and the line below with where the reader is.
//!
//! Every table has a caption, which says what it shows and how much of it, and headings with a scope.

use maud::{Markup, html};

use super::link::Link;
use super::words;

/// A column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// What it sorts by, in the query; empty where it doesn't.
    pub key: &'static str,
    /// Its heading.
    pub title: &'static str,
    /// Its class: `num` for numbers, `wide` where narrow screens do without.
    pub class: &'static str,
    /// What it means, where the heading doesn't say.
    pub hint: &'static str,
    /// The first click sorts the largest first.
    pub largest_first: bool,
}

impl Column {
    /// A column of words.
    pub const fn new(key: &'static str, title: &'static str) -> Column {
        Column { key, title, class: "", hint: "", largest_first: false }
    }

    /// A column of numbers.
    pub const fn number(key: &'static str, title: &'static str) -> Column {
        Column { key, title, class: "num", hint: "", largest_first: true }
    }

    /// With this meaning.
    pub const fn hint(self, hint: &'static str) -> Column {
        Column { hint, ..self }
    }

    /// With this class.
    pub const fn class(self, class: &'static str) -> Column {
        Column { class, ..self }
    }
}

/// How a list is sorted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sort {
    /// By which column.
    pub key: &'static str,
    /// Largest, or last of the alphabet, first.
    pub is_descending: bool,
}

impl Sort {
    /// What the address says, or else this column in its own direction. Only columns that sort are taken.
    pub fn of(here: &Link, columns: &[Column], default: &'static str) -> Sort {
        let asked = here.value("sort");
        let key = if asked.is_empty() { default } else { asked };
        let column = columns.iter().find(|column| !column.key.is_empty() && column.key == key);
        let (key, largest_first) = column.map_or((default, true), |column| (column.key, column.largest_first));
        let is_descending = match here.value("order") {
            "asc" => false,
            "desc" => true,
            _ => largest_first,
        };
        Sort { key, is_descending }
    }
}

/// The row of headings. `sort` is none where nothing sorts.
pub fn headings(here: &Link, columns: &[Column], sort: Option<Sort>) -> Markup {
    html! {
        thead { tr {
            @for column in columns {
                @let current = sort.filter(|sort| !column.key.is_empty() && sort.key == column.key);
                th scope="col" class=[Some(column.class).filter(|class| !class.is_empty())]
                    title=[Some(column.hint).filter(|hint| !hint.is_empty())]
                    aria-sort=[current.map(|sort| if sort.is_descending { "descending" } else { "ascending" })] {
                    @if column.key.is_empty() || sort.is_none() {
                        (column.title)
                    } @else {
                        a href=(sorted_by(here, column, current).href()) {
                            (column.title)
                            @if let Some(sort) = current { (if sort.is_descending { " ↓" } else { " ↑" }) }
                        }
                    }
                }
            }
        } }
    }
}

fn sorted_by(here: &Link, column: &Column, current: Option<Sort>) -> Link {
    let descending = current.map_or(column.largest_first, |sort| !sort.is_descending);
    here.clone().with("sort", column.key).with("order", if descending { "desc" } else { "asc" }).with("page", "")
}

/// Which part of a list is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Part {
    /// The page, from 1.
    pub page: usize,
    /// How many there are, at least 1.
    pub pages: usize,
    /// The first row of the page, from 0.
    pub from: usize,
    /// One past its last row.
    pub to: usize,
    /// All rows.
    pub of: usize,
}

impl Part {
    /// The page that the address asks for, of a list with so many rows; the last one where there are fewer.
    pub fn of(here: &Link, rows: usize, per_page: usize) -> Part {
        let pages = rows.div_ceil(per_page).max(1);
        let page = here.number("page", 1, 1, pages as u64) as usize;
        let from = (page - 1) * per_page;
        Part { page, pages, from, to: (from + per_page).min(rows), of: rows }
    }
}

/// The line below a list that has pages. Nothing where all of it is shown.
pub fn pager(here: &Link, part: Part) -> Markup {
    let to = |page: usize| here.clone().with("page", if page == 1 { String::new() } else { page.to_string() }).href();
    html! {
        @if part.pages > 1 {
            div.pager {
                span { (words::count(part.from as u64 + 1)) "–" (words::count(part.to as u64)) " of " (words::count(part.of as u64)) }
                nav aria-label="Pages" {
                    @if part.page > 1 { a.button.small-button rel="prev" href=(to(part.page - 1)) { "← Previous" } }
                    span { "Page " (part.page) " of " (words::count(part.pages as u64)) }
                    @if part.page < part.pages { a.button.small-button rel="next" href=(to(part.page + 1)) { "Next →" } }
                }
            }
        }
    }
}

/// A number, soft where it is nothing.
pub fn number(number: u64) -> Markup {
    html! { @if number == 0 { span.zero { "0" } } @else { (words::count(number)) } }
}

/// A rate, soft where it is nothing.
pub fn rate(per_second: f64) -> Markup {
    let text = words::rate(per_second);
    html! { @if text == "0" { span.zero { "0" } } @else { (text) } }
}

/// A measured time, or a dash.
pub fn micros(us: Option<u64>) -> Markup {
    html! { @match us { Some(us) => (words::micros(us)), None => (words::dash()) } }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLUMNS: [Column; 3] =
        [Column::new("type", "Type"), Column::number("queued", "Queued"), Column::new("", "Spark")];

    #[test]
    fn sorting_takes_known_columns_and_turns_around() {
        let sort = |query: &str| Sort::of(&Link::parse("/queues", query), &COLUMNS, "queued");
        assert_eq!(sort(""), Sort { key: "queued", is_descending: true });
        assert_eq!(sort("sort=type"), Sort { key: "type", is_descending: false });
        assert_eq!(sort("sort=nothing&order=asc"), Sort { key: "queued", is_descending: false });
        let here = Link::parse("/queues", "q=a&page=3");
        let markup = headings(&here, &COLUMNS, Some(sort(""))).0;
        assert!(markup.contains("href=\"/queues?q=a&amp;sort=queued&amp;order=asc\""), "{markup}");
        assert!(markup.contains("href=\"/queues?q=a&amp;sort=type&amp;order=asc\""), "{markup}");
        assert_eq!(markup.matches("aria-sort=\"descending\"").count(), 1);
        assert_eq!(markup.matches("scope=\"col\"").count(), 3);
    }

    #[test]
    fn a_part_is_always_inside_the_list() {
        let part = |query: &str, rows: usize| Part::of(&Link::parse("/", query), rows, 100);
        assert_eq!(part("page=2", 250), Part { page: 2, pages: 3, from: 100, to: 200, of: 250 });
        assert_eq!(part("page=99", 250), Part { page: 3, pages: 3, from: 200, to: 250, of: 250 });
        assert_eq!(part("page=0", 0), Part { page: 1, pages: 1, from: 0, to: 0, of: 0 });
    }
}
