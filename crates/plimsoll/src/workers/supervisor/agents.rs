//! What agents say.

use std::time::Instant;

use plimsoll_wire::message::ToAgent;

use super::{Nature, Supervisor};
use crate::concerns::shutdown::{Input, State};
use crate::ids::WorkerId;
use crate::workers::channel::{Listen, Said};
use crate::workers::endpoints::ServerKey;
use crate::workers::front::{self, Front};
use crate::workers::process::Channel;

impl<F: Front> Supervisor<F> {
    pub(super) fn on_agent(&mut self, worker: WorkerId, channel: u32, said: Said) {
        match said {
            Said::Opened { pid, node, addon, replies } => {
                tracing::debug!(%worker, pid, node, "agent connected");
                self.tax.open((worker, channel), &node);
                let claims = addon.is_ok();
                if let Err(reason) = addon {
                    self.say_addon_missing(&reason);
                }
                if let Some(process) = self.processes.get_mut(&worker) {
                    process.node = Some(version(&node));
                    process.channels.insert(channel, Channel { pid, claims, replies });
                }
                self.greet(worker, channel);
                self.greet_pools(worker, channel);
                if let Some(watch) = self.settings.spans {
                    self.reply(worker, channel, ToAgent::Spans(watch));
                }
                self.is_node();
            }
            Said::Listen(listen) => self.on_listen(worker, channel, &listen),
            Said::Close { server } => self.on_close(ServerKey { worker, channel, server }),
            Said::ProfileBegan { id, heap_bytes } => self.on_profile_began(worker, channel, id, heap_bytes),
            Said::Profiled { id, result } => self.on_profiled(worker, channel, id, result),
            Said::Watches { pid } => {
                tracing::debug!(%worker, pid, "watchdog connected");
                self.on_watchdog(worker, channel, pid);
            }
            Said::Stall(report) => {
                front::describe_stall(worker, &report);
                self.profiles.hear_stall(worker, &report);
                self.feel_pulse(worker, channel, &report);
                let ordered = self.profiles.ordered(worker, &report, &self.directory.path);
                self.front.stall(worker, channel, &report, ordered);
            }
            Said::Memory(figures) => self.on_memory(worker, channel, *figures),
            Said::Allocated(said) => self.on_allocated(&said),
            Said::LargeBody { slot, word, bytes } => self.front.large_body(worker, slot, word, bytes),
            Said::Route { method, path, route } => self.front.route(&method, &path, &route),
            Said::Calls(said) => self.on_calls(worker, channel, said),
            Said::Pools(said) => self.on_pools(worker, channel, said),
            Said::Span(span) => self.front.span(worker, *span),
            Said::Metrics(said) => self.on_metrics(worker, channel, said),
            Said::Tax(said) => self.on_tax(worker, channel, said),
            Said::Lost { mistake } => self.on_lost(worker, channel, mistake),
        }
    }

    /// The command turned out to be Node with our agent.
    pub(super) fn is_node(&mut self) {
        if self.nature == Nature::Unknown {
            self.nature = Nature::Node;
            self.tell_heap();
            self.apply(Input::Release);
        }
    }

    fn on_listen(&mut self, worker: WorkerId, channel: u32, listen: &Listen) {
        // Once a stop has begun a server that comes up has nothing to say to anyone; its app ends soon.
        if self.is_draining(worker) {
            return;
        }
        let Some(process) = self.processes.get(&worker) else { return };
        let Some(open) = process.channels.get(&channel) else { return };
        let key = ServerKey { worker, channel, server: listen.server };
        let page = process.page.clone().filter(|_| open.claims);
        let directory = process.directory.clone().unwrap_or_default();
        let bound = self.endpoints.open(key, listen, &directory, page, &self.front);
        let answer = match &bound {
            Ok(bound) => ToAgent::Bound {
                server: listen.server,
                address: bound.address.clone(),
                port: bound.port,
                family: bound.family.to_owned(),
            },
            Err(code) => {
                let (host, port) = (&listen.host, listen.port);
                let hint = self.admin_in_the_way(port).filter(|_| *code == "EADDRINUSE").unwrap_or_default();
                tracing::warn!(%worker, host, port, "the app's address could not be bound: {code}{hint}");
                ToAgent::Refused { server: listen.server, code: (*code).to_owned() }
            }
        };
        self.reply(worker, channel, answer);
        if let Ok(bound) = bound {
            if bound.is_new {
                tracing::info!(address = %bound.public, "listening");
            }
            self.apply(Input::Listens(worker));
            let predecessor = self.fleet.predecessor(worker);
            if predecessor.is_some_and(|old| self.endpoints.covers(worker, old)) {
                self.apply(Input::Covers(worker));
            }
        }
    }

    /// What to say where it is our own admin server that has the port.
    fn admin_in_the_way(&self, asked: u16) -> Option<String> {
        let wanted = self.settings.listen.map_or(asked, |listen| listen.port());
        let admin = self.settings.admin.filter(|admin| admin.port() == wanted)?;
        Some(format!(
            "; {admin} is the admin address of this Plimsoll; hint: --admin ADDR chooses another, --admin off has none"
        ))
    }

    /// An agent that reads no answers loses its channel: it would hold up nobody but itself.
    pub(super) fn reply(&mut self, worker: WorkerId, channel: u32, answer: ToAgent) {
        let Some(process) = self.processes.get_mut(&worker) else { return };
        let Some(open) = process.channels.get(&channel) else { return };
        if open.replies.try_send(answer).is_err() {
            process.channels.remove(&channel);
        }
    }

    fn on_close(&mut self, key: ServerKey) {
        // In a drain the app closes its servers; the sockets are the gateway's, which drains them itself.
        if self.is_draining(key.worker) {
            return;
        }
        self.endpoints.close(key, &self.front);
        self.notice_silence(key.worker);
    }

    fn on_lost(&mut self, worker: WorkerId, channel: u32, mistake: Option<String>) {
        if let Some(mistake) = mistake {
            tracing::warn!(%worker, "the channel of an agent was closed: {mistake}");
        }
        self.endpoints.lose_channel(worker, channel, &self.front);
        self.lose_profile(worker, channel);
        self.lose_calls(worker, channel);
        self.lose_pools(worker, channel);
        self.lose_metrics(worker, channel);
        self.tax.lose((worker, channel));
        if let Some(process) = self.processes.get_mut(&worker) {
            process.lose_channel(channel, Instant::now());
        }
        self.notice_silence(worker);
    }

    fn notice_silence(&mut self, worker: WorkerId) {
        if !self.endpoints.has_worker(worker) {
            self.apply(Input::FallsSilent(worker));
        }
    }

    fn is_draining(&self, worker: WorkerId) -> bool {
        !self.fleet.is_serving() || matches!(self.fleet.state(worker), Some(State::Draining(_)))
    }

    fn say_addon_missing(&mut self, reason: &str) {
        if self.ending.first_time_addon_is_missing() {
            tracing::warn!(
                "the native half of the agent could not be loaded; the app runs without it, and a request that a \
                 worker has not begun when it dies is not moved to another: {reason}"
            );
        }
    }
}

/// Longest version that is kept; what a worker says may be anything.
const VERSION_MAX: usize = 32;

fn version(told: &str) -> String {
    told.chars().filter(char::is_ascii_graphic).take(VERSION_MAX).collect()
}
