//! The pages for operators. Each is a pure function from plain data to markup.
//!
//! A page is complete without a script: links, forms, filters in its address. Its parts that change are [`Region`]s,
//! and the stream of a live page sends the same regions that the page was made of.
//!
//! | module | |
//! |---|---|
//! | `view` | who looks, and what a page is |
//! | `layout` | the frame of every page |
//! | `table`, `chart`, `form`, `state`, `icons` | what pages are made of |
//! | `words`, `text`, `link` | numbers and times, text from elsewhere, addresses |
//! | `doors` | where examples lead |
//! | `attention` | what an operator should look at |
//! | `serve`, `act` | what browsers ask for, and what their forms send |
//! | `question` | the first step of what is done in two |
//! | `goal`, `load`, `vitals` | where an address leads, and what its page shows |
//! | the others | a page each |

pub mod act;
pub mod actions;
pub mod attention;
pub mod chart;
pub mod deed;
pub mod docs;
pub mod doors;
pub mod failures;
pub mod fault;
pub mod form;
pub mod goal;
pub mod icons;
pub mod job;
pub mod job_cells;
pub mod jobs;
pub mod json;
pub mod layout;
pub mod link;
pub mod load;
pub mod masters;
pub mod overview;
pub mod peers;
pub mod question;
pub mod queue;
pub mod queues;
pub mod serve;
pub mod server;
pub mod state;
pub mod submit;
pub mod system;
pub mod table;
pub mod text;
pub mod view;
pub mod vitals;
pub mod words;
pub mod workers;

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod gallery;

pub use view::{Page, Region, View};
