//! Is anybody there? The one question that every important actor answers at once, for `/healthz`.

use actix::{Handler, Message};

use super::keeper::Keeper;
use super::statistics::Statistics;
use super::supervisor::Supervisor;

/// Asks an actor for nothing but an answer.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Pulse;

impl Handler<Pulse> for Supervisor {
    type Result = ();

    fn handle(&mut self, _: Pulse, _: &mut Self::Context) {}
}

impl Handler<Pulse> for Keeper {
    type Result = ();

    fn handle(&mut self, _: Pulse, _: &mut Self::Context) {}
}

impl Handler<Pulse> for Statistics {
    type Result = ();

    fn handle(&mut self, _: Pulse, _: &mut Self::Context) {}
}
