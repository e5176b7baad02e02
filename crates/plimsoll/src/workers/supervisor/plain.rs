//! A command without our agent: what can be done for it, and what is said about the rest.

use super::{Nature, Supervisor};
use crate::concerns::shutdown::Input;
use crate::ids::WorkerId;
use crate::workers::front::Front;
use crate::workers::watch::{self, Seen};

impl<F: Front> Supervisor<F> {
    pub(super) fn on_seen(&mut self, worker: WorkerId, seen: Seen) {
        if self.fleet.state(worker).is_none() || !self.fleet.is_serving() {
            return;
        }
        match (seen, self.nature) {
            (Seen::Presence, _) => self.is_node(),
            (Seen::Port, Nature::Unknown) => {
                self.becomes_plain("it is not Node, or loads no agent");
                self.serve_plain(worker);
            }
            (Seen::Port, Nature::Plain) => self.serve_plain(worker),
            (Seen::Port, Nature::Node) => {}
        }
    }

    /// From now on the command runs without agent: once, and reached at its port.
    pub(super) fn becomes_plain(&mut self, reason: &str) {
        self.nature = Nature::Plain;
        self.preload = None;
        tracing::warn!(
            "the app runs without the agent ({reason}): one worker, no client addresses, no requests moved away \
             from a busy or dead worker"
        );
        self.apply(Input::Alone);
    }

    /// The command answers at its port.
    fn serve_plain(&mut self, worker: WorkerId) {
        let Some(port) = self.settings.port else { return };
        let target = watch::local(port);
        match self.settings.listen {
            None if self.fleet.was_ever_ready() => {}
            None => tracing::warn!(
                port,
                "the app serves its port itself; add `--listen ADDR` to put the gateway in front of it"
            ),
            Some(address) => match self.endpoints.open_plain(worker, address, target, &self.front) {
                Ok(public) if self.fleet.was_ever_ready() => tracing::debug!(%public, %target, "listening"),
                Ok(public) => tracing::info!(address = %public, app = %target, "listening"),
                Err(error) => {
                    self.ending.fail(format!(
                        "the gateway could not listen on {address}: {error}\n hint: --listen needs an address \
                         that is free and not the one that the app itself listens on (PORT={port})"
                    ));
                    return self.apply(Input::StopNow);
                }
            },
        }
        self.apply(Input::Listens(worker));
    }
}
