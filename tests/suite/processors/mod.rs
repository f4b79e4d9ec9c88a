//! Processors and actions (`spec/processors.md`): a manager, and processors that do what their scripts say, over real sockets.
//! Nothing leaves the machine.

mod actions;
mod crowd;
mod health;
mod items;
mod registering;
mod response_url;
mod restarts;
mod stage;
mod tls;
