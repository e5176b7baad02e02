//! The messages of the agent's channel.
//!
//! The agent connects when the app's first server listens, says [`FromAgent::Hello`] and then one
//! [`FromAgent::Listen`] per server. The supervisor answers each with [`ToAgent::Bound`] or
//! [`ToAgent::Refused`]; only then does the app see `listening` or its error. All text is UTF-8; numbers are
//! decimal text: a message must be readable in a hex dump.

use crate::stall::STACK_MAX;
use crate::{VERSION, calls, frame, memory, metrics, pools, spans, tax};

/// How the gateway must treat what arrives at a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerKind {
    /// `http.Server`: HTTP/1.1, request by request.
    Http,
    /// `https.Server`, `http2` servers: bytes are passed through, connection by connection.
    Tcp,
}

/// Agent to supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromAgent {
    /// First message. `node` is `process.version`; `addon` tells whether the native half was loaded, else why
    /// not.
    Hello { version: u8, pid: u32, node: String, addon: Result<(), String> },
    /// The app called `listen`. `server` is the agent's number for it, unique within the process; `host` is
    /// empty where the app gave none (dual-stack `::`); `path` is where the worker accepts the gateway's
    /// links. `backlog` is 0 where the app gave none.
    Listen {
        server: u32,
        kind: ServerKind,
        host: String,
        port: u16,
        ipv6_only: bool,
        backlog: u32,
        path: String,
    },
    /// The app closed the server.
    Close { server: u32 },
    /// The profile or heap snapshot that was asked for has really begun, so the loop has turned; `heap_bytes` is
    /// what the V8 heap holds.
    ProfileBegan { id: u32, heap_bytes: u64 },
    /// The profile or heap snapshot is over: its file is complete, or why there is none.
    Profiled { id: u32, result: Result<(), String> },
    /// A request of the app has written so large a body in one go.
    LargeBody { slot: u16, word: u32, bytes: u64 },
    /// What the app's framework calls the route of this path. Said once for each.
    Route { method: String, path: String, route: String },
    /// First message of the watchdog's own connection, in place of `Hello`: the agent's other one cannot speak while
    /// the loop is blocked.
    Watchdog { version: u8, pid: u32 },
    /// What one request has allocated.
    Allocated(memory::Allocated),
    /// The loop has not turned for `at_ms`. Said when the threshold is crossed, and for each further look at it.
    /// `stall` is the process's number for it.
    Stalled {
        stall: u32,
        at_ms: u32,
        /// Slot and word of the request whose synchronous part runs; `None`: not known.
        running: Option<(u16, u32)>,
        /// As V8 writes it, innermost frame first, at most [`STACK_MAX`](crate::stall::STACK_MAX) bytes. Empty where
        /// the engine has not answered.
        stack: String,
        /// The engine answered only after native code had returned: what blocked was called near the first frame.
        late: bool,
    },
    /// The loop turned again. `gc_ms`, `cpu_ms` and `delayed_ms` are what the main thread spent of `total_ms` collecting
    /// garbage, on a processor, and waiting for one: little of the last two means that it was stopped or asleep.
    /// `answered`: where no request was known to run, the first that was answered after that, within the same turn.
    Resumed {
        stall: u32,
        total_ms: u32,
        gc_ms: u32,
        cpu_ms: u32,
        delayed_ms: u32,
        answered: Option<(u16, u32)>,
    },
    /// A synchronous part of a request took so long, whether or not the loop stalled over it.
    Busy { slot: u16, word: u32, ms: u32 },
    /// One look at the synchronous part of a request that is long, and no stall so far: its stack, as in `Stalled`.
    Glimpsed { slot: u16, word: u32, stack: String, late: bool },
    /// How much memory the process uses, and what collecting garbage costs it; from its watchdog.
    Memory(Box<memory::Figures>),
    /// Of the calls that the app makes.
    Calls(calls::FromAgent),
    /// Of the pools in which it keeps connections.
    Pools(pools::FromAgent),
    /// What a traced request waited for.
    Span(spans::Span),
    /// The answer to a question about metrics.
    Metrics(metrics::FromAgent),
    /// Of what it pays for its async context.
    Tax(tax::FromAgent),
}

/// Supervisor to agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToAgent {
    /// The gateway's socket is bound and accepts: `address` and `family` (`IPv4`/`IPv6`) are what
    /// `server.address()` must say.
    Bound { server: u32, address: String, port: u16, family: String },
    /// The gateway could not bind: `code` as libuv names it (`EADDRINUSE`, `EACCES`, `EADDRNOTAVAIL`).
    Refused { server: u32, code: String },
    /// Take a CPU profile of `seconds`, a sample each `interval_us`, and write it to `path`. With a `stall_ms` other
    /// than 0 it is taken in windows of `seconds`, and the first window in which the loop stood still for so long is
    /// written.
    Profile { id: u32, seconds: u32, interval_us: u32, stall_ms: u32, path: String },
    /// Write a snapshot of the heap to `path`, unless the heap holds more than `heap_bytes_max`.
    HeapSnapshot { id: u32, heap_bytes_max: u64, path: String },
    /// Nobody wants the profile any more.
    StopProfile { id: u32 },
    /// Of the calls that the app makes.
    Calls(calls::ToAgent),
    /// Of the pools in which it keeps connections.
    Pools(pools::ToAgent),
    /// What traced requests wait for is wanted.
    Spans(spans::Watch),
    /// Say what is known of metrics.
    Metrics(metrics::Read),
}

/// Longest text of a [`FromAgent::Route`], in bytes.
pub const ROUTE_MAX: usize = 1024;

/// A frame that is well formed but says nothing we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown {
    pub kind: u8,
}

impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "message of kind {} is unknown or malformed", self.kind)
    }
}

impl std::error::Error for Unknown {}

const HELLO: u8 = 1;
const LISTEN: u8 = 2;
const CLOSE: u8 = 3;
const PROFILE_BEGAN: u8 = 32;
const PROFILED: u8 = 33;
const LARGE_BODY: u8 = 34;
const ROUTE: u8 = 35;
const ALLOCATED: u8 = 36;
const WATCHDOG: u8 = 16;
const STALLED: u8 = 17;
const RESUMED: u8 = 18;
const BUSY: u8 = 19;
const MEMORY: u8 = 20;
const GLIMPSED: u8 = 21;
const BOUND: u8 = 65;
const REFUSED: u8 = 66;
const PROFILE: u8 = 80;
const HEAP_SNAPSHOT: u8 = 81;
const STOP_PROFILE: u8 = 82;

impl FromAgent {
    /// # Errors
    /// The kind is not one of the agent's, or a field is missing or malformed.
    pub fn read(frame: &frame::Frame<'_>) -> Result<Self, Unknown> {
        Self::parse(frame).ok_or(Unknown { kind: frame.kind })
    }

    fn parse(frame: &frame::Frame<'_>) -> Option<Self> {
        let field = Fields(&frame.fields);
        match frame.kind {
            HELLO => Some(Self::Hello {
                version: field.number(0)?,
                pid: field.number(1)?,
                node: field.text(2)?,
                addon: field.result(3)?,
            }),
            LISTEN => Some(Self::Listen {
                server: field.number(0)?,
                kind: match field.text(1)?.as_str() {
                    "http" => ServerKind::Http,
                    "tcp" => ServerKind::Tcp,
                    _ => return None,
                },
                host: field.text(2)?,
                port: field.number(3)?,
                ipv6_only: field.number::<u8>(4)? != 0,
                backlog: field.number(5)?,
                path: field.text(6)?,
            }),
            CLOSE => Some(Self::Close { server: field.number(0)? }),
            PROFILE_BEGAN => Some(Self::ProfileBegan { id: field.number(0)?, heap_bytes: field.number(1)? }),
            PROFILED => Some(Self::Profiled { id: field.number(0)?, result: field.result(1)? }),
            LARGE_BODY => {
                let (slot, word) = field.running(0)?;
                Some(Self::LargeBody { slot, word, bytes: field.number(2)? })
            }
            ROUTE => {
                let text = |index| field.text(index).filter(|text| text.len() <= ROUTE_MAX);
                Some(Self::Route { method: text(0)?, path: text(1)?, route: text(2)? })
            }
            ALLOCATED => {
                let text = |index| field.text(index).filter(|text| text.len() <= ROUTE_MAX);
                let (method, path, bytes) = (text(0)?, text(1)?, field.number(2)?);
                Some(Self::Allocated(memory::Allocated { method, path, bytes }))
            }
            calls::ORIGIN..=calls::BROKEN => calls::FromAgent::parse(frame.kind, &field).map(Self::Calls),
            tax::TAX_AUTHOR | tax::TAX_RATE => tax::FromAgent::parse(frame.kind, &field).map(Self::Tax),
            pools::POOL..=pools::POOL_SERVER => pools::FromAgent::parse(frame.kind, &field).map(Self::Pools),
            spans::SPAN => spans::Span::parse(&field).map(Self::Span),
            metrics::METRICS_PART | metrics::METRICS_END => {
                metrics::FromAgent::parse(frame.kind, &field).map(Self::Metrics)
            }
            _ => Self::parse_stall(frame.kind, &field),
        }
    }

    fn parse_stall(kind: u8, field: &Fields<'_>) -> Option<Self> {
        match kind {
            WATCHDOG => Some(Self::Watchdog { version: field.number(0)?, pid: field.number(1)? }),
            STALLED => Some(Self::Stalled {
                stall: field.number(0)?,
                at_ms: field.number(1)?,
                running: field.running_if_any(2)?,
                stack: field.text(4).filter(|stack| stack.len() <= STACK_MAX)?,
                late: field.number::<u8>(5)? != 0,
            }),
            RESUMED => Some(Self::Resumed {
                stall: field.number(0)?,
                total_ms: field.number(1)?,
                gc_ms: field.number(2)?,
                cpu_ms: field.number(3)?,
                delayed_ms: field.number(4)?,
                answered: field.running_if_any(5)?,
            }),
            BUSY => {
                let (slot, word) = field.running(0)?;
                Some(Self::Busy { slot, word, ms: field.number(2)? })
            }
            GLIMPSED => {
                let (slot, word) = field.running(0)?;
                let stack = field.text(2).filter(|stack| stack.len() <= STACK_MAX)?;
                Some(Self::Glimpsed { slot, word, stack, late: field.number::<u8>(3)? != 0 })
            }
            MEMORY => Some(Self::Memory(Box::new(memory::Figures::read(&field.text(0)?)?))),
            _ => None,
        }
    }

    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Hello { version, pid, node, addon } => write(
                HELLO,
                &[
                    &version.to_string(),
                    &pid.to_string(),
                    node,
                    addon.as_ref().err().map_or("", String::as_str),
                ],
            ),
            Self::Listen { server, kind, host, port, ipv6_only, backlog, path } => {
                let kind = match kind {
                    ServerKind::Http => "http",
                    ServerKind::Tcp => "tcp",
                };
                let only = u8::from(*ipv6_only).to_string();
                write(
                    LISTEN,
                    &[&server.to_string(), kind, host, &port.to_string(), &only, &backlog.to_string(), path],
                )
            }
            Self::Close { server } => write(CLOSE, &[&server.to_string()]),
            Self::ProfileBegan { id, heap_bytes } => {
                write(PROFILE_BEGAN, &[&id.to_string(), &heap_bytes.to_string()])
            }
            Self::Profiled { id, result } => {
                write(PROFILED, &[&id.to_string(), result.as_ref().err().map_or("", String::as_str)])
            }
            Self::LargeBody { slot, word, bytes } => {
                write(LARGE_BODY, &[&slot.to_string(), &word.to_string(), &bytes.to_string()])
            }
            Self::Allocated(memory::Allocated { method, path, bytes }) => {
                write(ALLOCATED, &[method, path, &bytes.to_string()])
            }
            Self::Route { method, path, route } => write(ROUTE, &[method, path, route]),
            Self::Watchdog { version, pid } => write_numbers(WATCHDOG, &[u32::from(*version), *pid]),
            Self::Stalled { stall, at_ms, running, stack, late } => {
                let (slot, word) = write_running(*running);
                let late = u8::from(*late).to_string();
                write(STALLED, &[&stall.to_string(), &at_ms.to_string(), &slot, &word, stack, &late])
            }
            Self::Resumed { stall, total_ms, gc_ms, cpu_ms, delayed_ms, answered } => {
                let numbers = [stall, total_ms, gc_ms, cpu_ms, delayed_ms].map(u32::to_string);
                let [stall, total, gc, cpu, delayed] = numbers.each_ref().map(String::as_str);
                let (slot, word) = write_running(*answered);
                write(RESUMED, &[stall, total, gc, cpu, delayed, &slot, &word])
            }
            Self::Busy { slot, word, ms } => write_numbers(BUSY, &[u32::from(*slot), *word, *ms]),
            Self::Glimpsed { slot, word, stack, late } => {
                let late = u8::from(*late).to_string();
                write(GLIMPSED, &[&slot.to_string(), &word.to_string(), stack, &late])
            }
            Self::Memory(figures) => write(MEMORY, &[&figures.write()]),
            Self::Calls(said) => said.write(),
            Self::Pools(said) => said.write(),
            Self::Span(span) => span.write(),
            Self::Metrics(said) => said.write(),
            Self::Tax(said) => said.write(),
        }
    }

    /// The greeting of an agent of this build.
    #[must_use]
    pub fn hello(pid: u32, node: &str) -> Self {
        Self::Hello { version: VERSION, pid, node: node.to_owned(), addon: Ok(()) }
    }
}

impl ToAgent {
    /// # Errors
    /// The kind is not one of the supervisor's, or a field is missing or malformed.
    pub fn read(frame: &frame::Frame<'_>) -> Result<Self, Unknown> {
        Self::parse(frame).ok_or(Unknown { kind: frame.kind })
    }

    fn parse(frame: &frame::Frame<'_>) -> Option<Self> {
        let field = Fields(&frame.fields);
        match frame.kind {
            BOUND => Some(Self::Bound {
                server: field.number(0)?,
                address: field.text(1)?,
                port: field.number(2)?,
                family: field.text(3)?,
            }),
            REFUSED => Some(Self::Refused { server: field.number(0)?, code: field.text(1)? }),
            PROFILE => Some(Self::Profile {
                id: field.number(0)?,
                seconds: field.number(1)?,
                interval_us: field.number(2)?,
                stall_ms: field.number(3)?,
                path: field.text(4)?,
            }),
            HEAP_SNAPSHOT => Some(Self::HeapSnapshot {
                id: field.number(0)?,
                heap_bytes_max: field.number(1)?,
                path: field.text(2)?,
            }),
            STOP_PROFILE => Some(Self::StopProfile { id: field.number(0)? }),
            pools::WATCH_POOLS..=pools::POOL_GRANT => {
                pools::ToAgent::parse(frame.kind, &field).map(Self::Pools)
            }
            spans::WATCH_SPANS => spans::Watch::parse(&field).map(Self::Spans),
            metrics::READ_METRICS => metrics::Read::parse(frame.kind, &field).map(Self::Metrics),
            kind => calls::ToAgent::parse(kind, &field).map(Self::Calls),
        }
    }

    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        match self {
            Self::Bound { server, address, port, family } => {
                write(BOUND, &[&server.to_string(), address, &port.to_string(), family])
            }
            Self::Refused { server, code } => write(REFUSED, &[&server.to_string(), code]),
            Self::Profile { id, seconds, interval_us, stall_ms, path } => {
                let numbers = [id, seconds, interval_us, stall_ms].map(ToString::to_string);
                let [id, seconds, interval_us, stall_ms] = &numbers;
                write(PROFILE, &[id, seconds, interval_us, stall_ms, path])
            }
            Self::HeapSnapshot { id, heap_bytes_max, path } => {
                write(HEAP_SNAPSHOT, &[&id.to_string(), &heap_bytes_max.to_string(), path])
            }
            Self::StopProfile { id } => write(STOP_PROFILE, &[&id.to_string()]),
            Self::Calls(said) => said.write(),
            Self::Pools(said) => said.write(),
            Self::Spans(watch) => watch.write(),
            Self::Metrics(read) => read.write(),
        }
    }
}

pub(crate) fn write(kind: u8, fields: &[&str]) -> Vec<u8> {
    let fields: Vec<&[u8]> = fields.iter().map(|field| field.as_bytes()).collect();
    frame::write(kind, &fields)
}

/// Both empty: no request.
fn write_running(running: Option<(u16, u32)>) -> (String, String) {
    running.map_or_else(Default::default, |(slot, word)| (slot.to_string(), word.to_string()))
}

fn write_numbers(kind: u8, fields: &[u32]) -> Vec<u8> {
    let fields: Vec<String> = fields.iter().map(u32::to_string).collect();
    write(kind, &fields.iter().map(String::as_str).collect::<Vec<_>>())
}

pub(crate) struct Fields<'a>(&'a [&'a [u8]]);

impl Fields<'_> {
    pub(crate) fn text(&self, index: usize) -> Option<String> {
        std::str::from_utf8(self.0.get(index)?).ok().map(str::to_owned)
    }

    /// Empty: it is well; else why it is not.
    fn result(&self, index: usize) -> Option<Result<(), String>> {
        let reason = self.text(index)?;
        Some(if reason.is_empty() { Ok(()) } else { Err(reason) })
    }

    pub(crate) fn number<N: std::str::FromStr>(&self, index: usize) -> Option<N> {
        std::str::from_utf8(self.0.get(index)?).ok()?.parse().ok()
    }

    fn running_if_any(&self, index: usize) -> Option<Option<(u16, u32)>> {
        if self.text(index)?.is_empty() { Some(None) } else { Some(Some(self.running(index)?)) }
    }

    fn running(&self, index: usize) -> Option<(u16, u32)> {
        let slot = self.number(index).filter(|slot| usize::from(*slot) < crate::page::SLOTS)?;
        Some((slot, self.number(index + 1)?))
    }
}

#[cfg(test)]
mod tests;
