//! A native client's session.

use std::sync::Arc;

use super::super::{Read, Turn};
use super::Shared;
use crate::core::{Demand, Limits, Notice};

/// A native client's session: it may submit, work, or both, with many jobs in flight.
#[derive(Debug)]
pub struct Session {
    _shared: Shared,
}

impl super::super::Session for Session {
    type Shared = Shared;
    const NAME: &'static str = "native";
    const HANDS: u32 = 1;

    fn new(shared: &Shared, _limits: &Arc<Limits>, _demand: &Arc<Demand>) -> Self {
        Session { _shared: shared.clone() }
    }

    fn read(&mut self, _input: &[u8], _turn: &mut Turn<'_>) -> Read {
        Read { consumed: 0, needed: 0 }
    }

    fn hear(&mut self, _notice: Notice, _turn: &mut Turn<'_>) {}

    fn outstanding(&self) -> usize {
        0
    }

    fn is_over(&self) -> bool {
        false
    }
}
