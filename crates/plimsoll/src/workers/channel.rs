//! The agent's channel: a Unix socket in the private directory of each incarnation of a worker.
//!
//! Whoever can connect runs as our user inside the worker, but may be any code: what it says is bounded in
//! size, number and pace (the queue to the supervisor is bounded, and a channel waits for it), and anything
//! malformed closes the channel with one line. The process is taken from the socket's credentials, not from
//! what it says about itself.

use std::path::PathBuf;
use std::time::Duration;

use plimsoll_wire::VERSION;
use plimsoll_wire::frame::{Frame, LENGTH_MAX};
use plimsoll_wire::memory::{Allocated, Figures};
use plimsoll_wire::message::{FromAgent, ServerKind, ToAgent};
use plimsoll_wire::{calls, metrics, pools, spans, tax};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::Event;
use crate::ids::WorkerId;

/// Processes of one worker that serve at the same time, and their watchdogs; with `node:cluster` each child has one.
const CHANNELS_MAX: usize = 64;
/// Answers that an agent has not read: what is said to one whose loop stands still for a minute.
const REPLIES_MAX: usize = 4096;
/// How often it is looked whether an agent that does not read is given up by now.
const UNREAD_LOOK: Duration = Duration::from_secs(1);
/// Rest after an accept that failed for want of descriptors or memory: who wants to be heard stays in the queue.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(50);

/// What an agent says.
#[derive(Debug)]
pub enum Said {
    /// A process of the worker is about to serve.
    Opened {
        pid: u32,
        node: String,
        addon: Result<(), String>,
        replies: mpsc::Sender<ToAgent>,
    },
    Listen(Listen),
    Close {
        server: u32,
    },
    ProfileBegan {
        id: u32,
        heap_bytes: u64,
    },
    Profiled {
        id: u32,
        result: Result<(), String>,
    },
    /// The watchdog of a process has a channel of its own, which it may open before the agent has greeted.
    Watches {
        pid: u32,
    },
    /// A request has written so large a body in one go.
    LargeBody {
        slot: u16,
        word: u32,
        bytes: u64,
    },
    /// What a framework calls the route of a path.
    Route {
        method: String,
        path: String,
        route: String,
    },
    /// What one request has allocated in the heap.
    Allocated(Allocated),
    /// One of the watchdog's messages: `Stalled`, `Resumed`, `Busy` or `Glimpsed`.
    Stall(FromAgent),
    /// What a process uses of memory, as its watchdog sees it.
    Memory(Box<Figures>),
    /// Of the calls that the app makes.
    Calls(calls::FromAgent),
    /// Of the pools in which it keeps connections.
    Pools(pools::FromAgent),
    Span(Box<spans::Span>),
    /// Of what was asked about its metrics.
    Metrics(metrics::FromAgent),
    /// Of what it pays for its async context.
    Tax(tax::FromAgent),
    /// The channel is gone: the process ended, or it broke the rules (then: how).
    Lost {
        mistake: Option<String>,
    },
}

/// A server of the app asks for an address.
#[derive(Debug, Clone)]
pub struct Listen {
    pub server: u32,
    pub kind: ServerKind,
    /// As the app gave it, empty where it gave none.
    pub host: String,
    pub port: u16,
    pub ipv6_only: bool,
    pub backlog: u32,
    /// Where the worker accepts the gateway.
    pub path: PathBuf,
}

/// Accepts the agents of one worker until it is aborted; its channels end with it.
pub(super) async fn serve(listener: UnixListener, worker: WorkerId, events: mpsc::Sender<Event>) {
    let mut open = JoinSet::new();
    let mut channel: u32 = 0;
    let mut is_told = false;
    loop {
        tokio::select! {
            accepted = listener.accept(), if open.len() < CHANNELS_MAX => match accepted {
                Ok((stream, _)) => {
                    is_told = false;
                    channel = channel.wrapping_add(1);
                    open.spawn(Channel { worker, channel, events: events.clone() }.run(stream));
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_told, true) {
                        tracing::warn!(%worker, %error, "an agent cannot be heard yet");
                    }
                    tokio::time::sleep(EXHAUSTED_PAUSE).await;
                }
            },
            Some(_ended) = open.join_next() => {}
        }
    }
}

struct Channel {
    worker: WorkerId,
    channel: u32,
    events: mpsc::Sender<Event>,
}

/// Why a channel ends.
enum End {
    Closed,
    Mistake(String),
}

impl Channel {
    async fn run(self, stream: UnixStream) {
        let mistake = match self.converse(stream).await {
            End::Closed => None,
            End::Mistake(mistake) => Some(mistake),
        };
        self.say(Said::Lost { mistake }).await;
    }

    async fn say(&self, said: Said) {
        let event = Event::Agent { worker: self.worker, channel: self.channel, said };
        let _supervisor_ended = self.events.send(event).await;
    }

    async fn converse(&self, stream: UnixStream) -> End {
        let Some(pid) = stream.peer_cred().ok().and_then(|peer| u32::try_from(peer.pid()?).ok()) else {
            return End::Mistake("the agent's process is not known".to_owned());
        };
        let (mut reader, mut writer) = stream.into_split();
        let (replies, mut answers) = mpsc::channel::<ToAgent>(REPLIES_MAX);
        let mut talk = Talk::Unopened { pid, replies };
        let mut bytes = Vec::new();
        let mut unsent = Vec::new();
        loop {
            // Nobody says anything to a watchdog.
            let is_told = !matches!(talk, Talk::Watchdog);
            if is_told && answers.is_closed() {
                return End::Mistake("it did not read what it was told".to_owned());
            }
            tokio::select! {
                read = reader.read_buf(&mut bytes) => {
                    if !matches!(read, Ok(length) if length > 0) {
                        return End::Closed;
                    }
                    if let Err(mistake) = self.take_frames(&mut bytes, &mut talk).await {
                        return End::Mistake(mistake);
                    }
                }
                answer = answers.recv(), if is_told && unsent.is_empty() => {
                    unsent = answer.map_or_else(Vec::new, |answer| answer.write());
                }
                written = writer.write(&unsent), if !unsent.is_empty() => match written {
                    Ok(length) => drop(unsent.drain(..length)),
                    Err(_) => return End::Closed,
                },
                () = tokio::time::sleep(UNREAD_LOOK), if !unsent.is_empty() => {}
            }
        }
    }

    /// Reads all complete frames out of `bytes`.
    async fn take_frames(&self, bytes: &mut Vec<u8>, talk: &mut Talk) -> Result<(), String> {
        let mut used = 0;
        loop {
            let rest = bytes.get(used..).unwrap_or_default();
            let Some((frame, length)) = Frame::read(rest).map_err(|error| error.to_string())? else { break };
            let message = FromAgent::read(&frame).map_err(|error| error.to_string())?;
            used += length;
            self.say(understand(message, talk)?).await;
        }
        bytes.drain(..used);
        debug_assert!(bytes.len() <= LENGTH_MAX + 4, "what is not a frame yet is shorter than the longest");
        Ok(())
    }
}

/// Who speaks on a channel, and so what may be said on it.
enum Talk {
    Unopened { pid: u32, replies: mpsc::Sender<ToAgent> },
    Agent,
    Watchdog,
}

/// Checks a message against the order of the conversation and the form of its values.
fn understand(message: FromAgent, talk: &mut Talk) -> Result<Said, String> {
    match message {
        FromAgent::Hello { version, .. } | FromAgent::Watchdog { version, .. } if version != VERSION => {
            Err(format!("the agent speaks version {version}, not {VERSION}"))
        }
        FromAgent::Hello { node, addon, .. } => match std::mem::replace(talk, Talk::Agent) {
            Talk::Unopened { pid, replies } => Ok(Said::Opened { pid, node, addon, replies }),
            Talk::Agent | Talk::Watchdog => Err("the agent greeted twice".to_owned()),
        },
        FromAgent::Watchdog { .. } => match std::mem::replace(talk, Talk::Watchdog) {
            Talk::Unopened { pid, .. } => Ok(Said::Watches { pid }),
            Talk::Agent | Talk::Watchdog => Err("the agent greeted twice".to_owned()),
        },
        FromAgent::Close { server } if matches!(talk, Talk::Agent) => Ok(Said::Close { server }),
        FromAgent::ProfileBegan { id, heap_bytes } if matches!(talk, Talk::Agent) => {
            Ok(Said::ProfileBegan { id, heap_bytes })
        }
        FromAgent::Profiled { id, result } if matches!(talk, Talk::Agent) => {
            Ok(Said::Profiled { id, result })
        }
        FromAgent::LargeBody { slot, word, bytes } if matches!(talk, Talk::Agent) => {
            Ok(Said::LargeBody { slot, word, bytes })
        }
        FromAgent::Route { method, path, route } if matches!(talk, Talk::Agent) => {
            Ok(Said::Route { method, path, route })
        }
        FromAgent::Allocated(said) if matches!(talk, Talk::Agent) => Ok(Said::Allocated(said)),
        FromAgent::Calls(said) if matches!(talk, Talk::Agent) => Ok(Said::Calls(said)),
        FromAgent::Pools(said) if matches!(talk, Talk::Agent) => Ok(Said::Pools(said)),
        FromAgent::Span(span) if matches!(talk, Talk::Agent) => Ok(Said::Span(Box::new(span))),
        FromAgent::Metrics(said) if matches!(talk, Talk::Agent) => Ok(Said::Metrics(said)),
        FromAgent::Tax(said) if matches!(talk, Talk::Agent) => Ok(Said::Tax(said)),
        FromAgent::Listen { server, kind, host, port, ipv6_only, backlog, path }
            if matches!(talk, Talk::Agent) =>
        {
            Ok(Said::Listen(Listen { server, kind, host, port, ipv6_only, backlog, path: path.into() }))
        }
        FromAgent::Stalled { .. }
        | FromAgent::Resumed { .. }
        | FromAgent::Busy { .. }
        | FromAgent::Glimpsed { .. }
            if matches!(talk, Talk::Watchdog) =>
        {
            Ok(Said::Stall(message))
        }
        FromAgent::Memory(figures) if matches!(talk, Talk::Watchdog) => Ok(Said::Memory(figures)),
        FromAgent::Close { .. }
        | FromAgent::Allocated(_)
        | FromAgent::Calls(_)
        | FromAgent::Memory(_)
        | FromAgent::Metrics(_)
        | FromAgent::Pools(_)
        | FromAgent::Span(_)
        | FromAgent::Tax(_)
        | FromAgent::ProfileBegan { .. }
        | FromAgent::Profiled { .. }
        | FromAgent::LargeBody { .. }
        | FromAgent::Route { .. }
        | FromAgent::Listen { .. }
        | FromAgent::Stalled { .. }
        | FromAgent::Resumed { .. }
        | FromAgent::Busy { .. }
        | FromAgent::Glimpsed { .. } => Err(talk.mistake().to_owned()),
    }
}

impl Talk {
    fn mistake(&self) -> &'static str {
        match self {
            Self::Unopened { .. } => "the agent did not greet first",
            Self::Agent => "the agent spoke for its watchdog",
            Self::Watchdog => "the watchdog spoke for its agent",
        }
    }
}

#[cfg(test)]
mod tests {
    use plimsoll_wire::frame;

    use super::*;

    const WORKER: WorkerId = WorkerId { index: 0, incarnation: 1 };

    /// Sends `bytes` to a channel and returns what was understood, until the channel is lost.
    async fn hear(bytes: Vec<u8>) -> Vec<Said> {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (events, mut heard) = mpsc::channel(4);
        let task = tokio::spawn(Channel { worker: WORKER, channel: 1, events }.run(ours));
        let feed = tokio::spawn(async move {
            let _closed_early = theirs.write_all(&bytes).await;
        });
        let mut said = Vec::new();
        while let Some(event) = heard.recv().await {
            let Event::Agent { said: one, .. } = event else { panic!("{event:?}") };
            said.push(one);
        }
        task.await.unwrap();
        feed.await.unwrap();
        said
    }

    /// An agent that has greeted, and what is heard of it and said to it.
    async fn open() -> (UnixStream, mpsc::Receiver<Event>, mpsc::Sender<ToAgent>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (events, mut heard) = mpsc::channel(4);
        tokio::spawn(Channel { worker: WORKER, channel: 1, events }.run(ours));
        theirs.write_all(&FromAgent::hello(1, "v22.0.0").write()).await.unwrap();
        let Some(Event::Agent { said: Said::Opened { replies, .. }, .. }) = heard.recv().await else {
            panic!()
        };
        (theirs, heard, replies)
    }

    fn is_lost(event: Option<&Event>) -> bool {
        matches!(event, Some(Event::Agent { said: Said::Lost { mistake: Some(_) }, .. }))
    }

    /// Who is not told any more must not go on as if it were.
    #[tokio::test]
    async fn an_agent_to_whom_nothing_more_is_said_is_lost() {
        let (mut theirs, mut heard, replies) = open().await;
        drop(replies);
        assert!(is_lost(heard.recv().await.as_ref()));
        assert_eq!(theirs.read(&mut [0; 1]).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn an_agent_that_reads_nothing_is_heard_all_the_same_and_lost_when_it_is_told_too_much() {
        let (mut theirs, mut heard, replies) = open().await;
        let answer = ToAgent::Refused { server: 1, code: "x".repeat(1000) };
        // The socket's buffers are full after some hundred of them.
        for _ in 0..REPLIES_MAX {
            replies.send(answer.clone()).await.unwrap();
        }
        theirs.write_all(&listen("")).await.unwrap();
        let said = heard.recv().await;
        assert!(matches!(said, Some(Event::Agent { said: Said::Listen(_), .. })), "{said:?}");
        while replies.try_send(answer.clone()).is_ok() {}
        drop(replies);
        assert!(is_lost(heard.recv().await.as_ref()));
    }

    #[tokio::test]
    async fn a_watchdog_to_whom_nothing_is_ever_said_stays() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let (events, mut heard) = mpsc::channel(4);
        tokio::spawn(Channel { worker: WORKER, channel: 1, events }.run(ours));
        theirs.write_all(&FromAgent::Watchdog { version: VERSION, pid: 1 }.write()).await.unwrap();
        for _ in 0..3 {
            heard.recv().await.unwrap();
            theirs.write_all(&FromAgent::Busy { slot: 0, word: 6, ms: 20 }.write()).await.unwrap();
        }
        let said = heard.recv().await;
        assert!(matches!(said, Some(Event::Agent { said: Said::Stall(_), .. })), "{said:?}");
    }

    fn listen(host: &str) -> Vec<u8> {
        let path = "/x/1.s".to_owned();
        let (host, kind) = (host.to_owned(), ServerKind::Http);
        FromAgent::Listen { server: 1, kind, host, port: 3000, ipv6_only: false, backlog: 0, path }.write()
    }

    #[tokio::test]
    async fn hears_an_agent_that_keeps_to_the_rules() {
        let bytes = [FromAgent::hello(1, "v22.0.0").write(), listen("::1"), listen("")].concat();
        let said = hear(bytes).await;
        let [
            Said::Opened { pid, .. },
            Said::Listen(first),
            Said::Listen(second),
            Said::Lost { mistake: None },
        ] = &said[..]
        else {
            panic!("{said:?}")
        };
        assert_eq!(*pid, std::process::id(), "the process is not what it says it is");
        assert_eq!((first.host.as_str(), second.host.as_str()), ("::1", ""));
    }

    #[tokio::test]
    async fn hears_a_watchdog_on_a_channel_of_its_own() {
        let resumed = FromAgent::Resumed {
            stall: 1,
            total_ms: 120,
            gc_ms: 0,
            cpu_ms: 119,
            delayed_ms: 0,
            answered: None,
        };
        let watchdog = FromAgent::Watchdog { version: VERSION, pid: 1 };
        let said = hear([watchdog.write(), resumed.write()].concat()).await;
        let [Said::Watches { pid }, Said::Stall(heard), Said::Lost { mistake: None }] = &said[..] else {
            panic!("{said:?}")
        };
        assert_eq!((*pid, heard), (std::process::id(), &resumed));
    }

    #[tokio::test]
    async fn a_mistake_closes_the_channel_with_its_reason() {
        let hello = FromAgent::hello(1, "v22.0.0").write();
        let busy = FromAgent::Busy { slot: 0, word: 6, ms: 20 }.write();
        let watchdog = FromAgent::Watchdog { version: VERSION, pid: 1 }.write();
        let old = FromAgent::Hello { version: 99, pid: 1, node: String::new(), addon: Ok(()) }.write();
        let table = [
            (vec![0xff; 100], "frame length"),
            (frame::write(99, &[]), "kind 99 is unknown"),
            (old, "speaks version 99"),
            (listen(""), "did not greet first"),
            ([hello.clone(), hello.clone()].concat(), "greeted twice"),
            (busy.clone(), "did not greet first"),
            ([hello.clone(), busy].concat(), "spoke for its watchdog"),
            ([watchdog.clone(), listen("")].concat(), "spoke for its agent"),
            ([watchdog, hello].concat(), "greeted twice"),
        ];
        for (bytes, expected) in table {
            let said = hear(bytes).await;
            let Some(Said::Lost { mistake: Some(mistake) }) = said.last() else { panic!("{said:?}") };
            assert!(mistake.contains(expected), "{mistake}");
        }
    }
}
