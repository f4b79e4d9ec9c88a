//! The rhythm of every actor here: drain the mailbox and the inbox, decide everything, then settle once.
//!
//! actix polls an actor's mailbox until it is empty and then the futures in its context. [`begin`] puts one future there
//! that is never ready and calls [`Settle::settle`]: so it runs once each time the mailbox has run dry, without a timer, an
//! allocation or a message per turn.

use std::pin::Pin;
use std::task::{Context as Wake, Poll};

use actix::fut::ActorFuture;
use actix::{Actor, AsyncContext, Context};

/// An actor that settles at the end of each turn.
pub trait Settle: Actor<Context = Context<Self>> {
    /// Does what the turn led to. With `wake` it may wait for sockets and timers: when they are ready, the next turn begins.
    fn settle(&mut self, ctx: &mut Context<Self>, wake: &mut Wake<'_>);
}

/// Makes `settle` the end of each of the actor's turns. To be called once, in `started`.
pub fn begin<A: Settle>(ctx: &mut Context<A>) {
    ctx.spawn(EndOfTurn);
}

struct EndOfTurn;

impl<A: Settle> ActorFuture<A> for EndOfTurn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, actor: &mut A, ctx: &mut Context<A>, wake: &mut Wake<'_>) -> Poll<()> {
        actor.settle(ctx, wake);
        Poll::Pending
    }
}
