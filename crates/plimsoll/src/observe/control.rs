//! What may be asked of the app loop, the one owner of the instance's state, and the handle for asking.
//!
//! The admin server and the control socket hold an [`Inquiry`]; the app loop holds the receiving end and
//! answers each [`Request`] in its turn. The channel is bounded and asking has a deadline, so an app loop
//! that hangs shows as an error here instead of as a pile of waiting questions.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use super::findings::Findings;
use super::status::Status;
use crate::exit::Exit;
use crate::ids::WorkerId;

/// How long the app loop may take to answer before it counts as hanging.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(1);

/// More than the connections of the admin server and the control socket together.
const QUEUE_MAX: usize = 256;

#[derive(Debug)]
pub enum Request {
    Status(oneshot::Sender<Status>),
    Findings(oneshot::Sender<Findings>),
    /// Begin to stop (or, when that has begun, go on with more haste). The sender is kept until the end
    /// and then told how it went.
    Stop {
        haste: Haste,
        ended: oneshot::Sender<Ended>,
    },
    /// Renew all workers.
    Reload {
        order: Reload,
        teller: Teller,
    },
    /// From now on there are this many workers.
    Scale {
        workers: u16,
        teller: Teller,
    },
    /// Take a CPU profile or a heap snapshot.
    Profile {
        order: Profile,
        teller: Teller,
    },
    /// Ask the workers for what only they know of their metrics; `app`: also for what the app counts.
    Metrics {
        app: bool,
        reply: oneshot::Sender<Readings>,
    },
}

/// What the processes have said of their metrics when they were asked.
#[derive(Debug, Clone, Default)]
pub struct Readings {
    /// Of the question.
    pub id: u32,
    pub processes: Vec<Reading>,
}

#[derive(Debug, Clone)]
pub struct Reading {
    pub worker: WorkerId,
    /// Tells the processes of one worker apart.
    pub channel: u32,
    /// As in [`plimsoll_wire::metrics`]; `None`: it has not answered in time.
    pub lines: Option<Arc<str>>,
    /// Samples and metrics that are not among them.
    pub left_out: u32,
}

/// What of which worker is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Profile {
    /// `None`: one that serves.
    pub worker: Option<u16>,
    pub what: What,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    Cpu {
        seconds: u32,
        /// Between two samples.
        interval_us: u32,
    },
    /// The window of `seconds` in which the loop of a worker stands still next; without a worker, of any of them.
    Stall {
        seconds: u32,
        interval_us: u32,
        threshold_ms: u32,
    },
    Heap,
}

/// What a reload may say beside "reload".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reload {
    /// Processes above the number of workers; `None`: as in the settings.
    pub surge: Option<u16>,
    /// Variables that the new workers get, and all that come after them.
    pub environment: Vec<(String, String)>,
}

/// Tells whoever asked how it goes, and in the end how it went.
#[derive(Debug)]
pub struct Teller {
    lines: mpsc::Sender<String>,
    ended: oneshot::Sender<Ended>,
}

/// The end of a [`Teller`] that hears.
#[derive(Debug)]
pub struct Told {
    pub lines: mpsc::Receiver<String>,
    pub ended: oneshot::Receiver<Ended>,
}

/// Lines that nobody has read yet; what comes beyond is left out, the end never is.
const LINES_MAX: usize = 64;

impl Teller {
    #[must_use]
    pub fn new() -> (Self, Told) {
        let (lines, heard) = mpsc::channel(LINES_MAX);
        let (ended, end) = oneshot::channel();
        (Self { lines, ended }, Told { lines: heard, ended: end })
    }

    pub fn say(&self, line: &str) {
        let _slow_or_gone = self.lines.try_send(line.to_owned());
    }

    pub fn end(self, ended: Ended) {
        let _asker_left = self.ended.send(ended);
    }

    #[must_use]
    pub fn is_heard(&self) -> bool {
        !self.ended.is_closed()
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Haste {
    /// As SIGTERM: requests in flight may finish.
    Drain,
    /// As a second SIGTERM: at once.
    Now,
}

/// How an instance ended, in the sentence that it prints itself and the code that it exits with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    pub exit_code: u8,
    pub message: String,
    /// The file that was asked for. Whoever asked takes it away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<Taken>,
}

/// A file of a worker, in the directory of the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    pub worker: u16,
    pub pid: u32,
    /// Relative to the directory of the instance, which may have another path for whoever asked.
    pub file: PathBuf,
    /// Where the app was started: what its paths are told relative to.
    pub directory: PathBuf,
}

impl Ended {
    #[must_use]
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self { exit_code: exit as u8, message: message.into(), taken: None }
    }

    #[must_use]
    pub fn with(self, taken: Taken) -> Self {
        Self { taken: Some(taken), ..self }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the app loop did not answer within {}ms", ANSWER_TIMEOUT.as_millis())]
    Silent,
    #[error("the app loop has ended")]
    Gone,
}

/// Asks the app loop. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Inquiry {
    requests: mpsc::Sender<Request>,
}

/// The two ends: one for whoever asks, one for the app loop.
#[must_use]
pub fn channel() -> (Inquiry, mpsc::Receiver<Request>) {
    let (requests, receiver) = mpsc::channel(QUEUE_MAX);
    (Inquiry { requests }, receiver)
}

impl Inquiry {
    /// # Errors
    /// The app loop hangs or has ended.
    pub async fn status(&self) -> Result<Status, Error> {
        self.ask(Request::Status).await
    }

    /// # Errors
    /// The app loop hangs or has ended.
    pub async fn findings(&self) -> Result<Findings, Error> {
        self.ask(Request::Findings).await
    }

    async fn ask<T>(&self, request: impl FnOnce(oneshot::Sender<T>) -> Request) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let ask = async {
            self.requests.send(request(reply)).await.map_err(|_closed| Error::Gone)?;
            answer.await.map_err(|_dropped| Error::Gone)
        };
        timeout(ANSWER_TIMEOUT, ask).await.unwrap_or(Err(Error::Silent))
    }

    /// Asks the workers for what only they know of their metrics. Takes as long as the slowest, and not much longer than half
    /// a second.
    ///
    /// # Errors
    /// The app loop hangs or has ended.
    pub async fn metrics(&self, app: bool) -> Result<Readings, Error> {
        let (reply, answer) = oneshot::channel();
        let ask = async {
            self.requests.send(Request::Metrics { app, reply }).await.map_err(|_closed| Error::Gone)?;
            answer.await.map_err(|_dropped| Error::Gone)
        };
        timeout(ANSWER_TIMEOUT, ask).await.unwrap_or(Err(Error::Silent))
    }

    /// Begins to renew all workers.
    ///
    /// # Errors
    /// The app loop hangs or has ended.
    pub async fn reload(&self, order: Reload) -> Result<Told, Error> {
        let (teller, told) = Teller::new();
        self.send(Request::Reload { order, teller }).await.map(|()| told)
    }

    /// Begins to change the number of workers.
    ///
    /// # Errors
    /// The app loop hangs or has ended.
    pub async fn scale(&self, workers: u16) -> Result<Told, Error> {
        let (teller, told) = Teller::new();
        self.send(Request::Scale { workers, teller }).await.map(|()| told)
    }

    /// Begins to take a profile or a snapshot.
    ///
    /// # Errors
    /// The app loop hangs or has ended.
    pub async fn profile(&self, order: Profile) -> Result<Told, Error> {
        let (teller, told) = Teller::new();
        self.send(Request::Profile { order, teller }).await.map(|()| told)
    }

    /// Begins to stop. The receiver is told how it went when everything is over.
    ///
    /// # Errors
    /// The app loop hangs or has ended.
    pub async fn stop(&self, haste: Haste) -> Result<oneshot::Receiver<Ended>, Error> {
        let (ended, end) = oneshot::channel();
        self.send(Request::Stop { haste, ended }).await.map(|()| end)
    }

    async fn send(&self, request: Request) -> Result<(), Error> {
        match timeout(ANSWER_TIMEOUT, self.requests.send(request)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_closed)) => Err(Error::Gone),
            Err(_elapsed) => Err(Error::Silent),
        }
    }
}
