//! What the app pays for async context: heard from its agents, and what it costs is measured once it is known that it is paid.

use std::thread;
use std::time::Instant;

use plimsoll_wire::tax::FromAgent;

use super::{Event, Supervisor};
use crate::concerns::context::tax::Cost;
use crate::ids::WorkerId;
use crate::workers::calibration::Calibration;
use crate::workers::front::Front;

impl<F: Front> Supervisor<F> {
    pub(super) fn on_tax(&mut self, worker: WorkerId, channel: u32, said: FromAgent) {
        let Some(class) = self.tax.hear((worker, channel), said, Instant::now()) else { return };
        let process = self.processes.get(&worker).and_then(|process| process.channels.get(&channel));
        let Some(calibration) = process.and_then(|channel| Calibration::of(channel.pid, class)) else {
            return self.tax.measured(class, Cost::of_table(class));
        };
        let events = self.events.clone();
        // It takes some hundred milliseconds, once.
        let run = move || {
            let cost = calibration.run();
            let _supervisor_ended = events.blocking_send(Event::Calibrated { class, cost });
        };
        if thread::Builder::new().name("calibration".to_owned()).spawn(run).is_err() {
            self.tax.measured(class, Cost::of_table(class));
        }
    }
}
