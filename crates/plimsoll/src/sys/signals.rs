//! The signals that concern the supervisor. SIGUSR1 is never touched: it is Node's inspector.

use std::io;

use tokio::signal::unix::{self, SignalKind};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    Terminate,
    Interrupt,
    Hangup,
    /// Some child or adopted orphan has ended. Several ends may be one signal.
    Child,
}

#[derive(Debug)]
pub struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
    hangup: unix::Signal,
    child: unix::Signal,
}

impl Signals {
    /// From now on the signals are delivered here instead of ending the process.
    ///
    /// # Errors
    /// A handler could not be installed.
    pub fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(SignalKind::terminate())?,
            interrupt: unix::signal(SignalKind::interrupt())?,
            hangup: unix::signal(SignalKind::hangup())?,
            child: unix::signal(SignalKind::child())?,
        })
    }

    /// Safe to drop and call again: no signal is lost.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.hangup.recv() => Signal::Hangup,
            _ = self.child.recv() => Signal::Child,
        }
    }
}
