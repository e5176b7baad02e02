//! What is said of the calls that the app makes: one [`FromAgent::Origin`] for each service that it calls, then what the
//! worker wants of the budgets, what it is lent, and what it sees.
//!
//! The agent gives each origin a number of its own, from 0 in the order of the first call. Nothing is said while no call
//! is made.

mod breaker;
mod figures;

pub use self::breaker::{Breaker, Outcomes, Probed};
pub use self::figures::Figures;
use crate::lease::{Ask, Grant};
use crate::message::{Fields, write};

/// Origins that a process tells apart; the calls to any further one are counted together, under [`OTHERS`].
pub const ORIGINS_MAX: usize = 64;
/// The name under which these are counted. It is never limited.
pub const OTHERS: &str = "others";
/// Longest name of an origin, in bytes. A longer one is one of the others.
pub const NAME_MAX: usize = 300;

/// Upper bounds in milliseconds of the buckets of [`Figures::durations`]; the last bucket has none.
pub const BOUNDS_MS: [u32; 14] = [5, 10, 25, 50, 75, 100, 250, 500, 750, 1000, 2500, 5000, 7500, 10_000];
/// Of one message.
pub const SAMPLES_MAX: usize = 32;

const BUCKETS: usize = BOUNDS_MS.len() + 1;

pub(crate) const ORIGIN: u8 = 48;
pub(crate) const ASK: u8 = 49;
pub(crate) const CALLS: u8 = 50;
pub(crate) const FAN_OUT: u8 = 51;
pub(crate) const SAMPLES: u8 = 52;
pub(crate) const FORKS: u8 = 53;
pub(crate) const OUTCOMES: u8 = 54;
pub(crate) const PROBE: u8 = 55;
pub(crate) const PROBED: u8 = 56;
pub(crate) const BROKEN: u8 = 57;
pub(crate) const WATCH_CALLS: u8 = 96;
pub(crate) const LIMIT: u8 = 97;
pub(crate) const GRANT: u8 = 98;
pub(crate) const BREAKER: u8 = 99;

/// Which of an origin's budgets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Budget {
    /// Calls in flight.
    Concurrency,
    /// Calls per second.
    Rate,
}

/// Agent to supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromAgent {
    /// The first call to `name` is made: `http://stock:8080`.
    Origin { origin: u32, name: String },
    /// What the worker wants of a budget, and has.
    Ask { origin: u32, budget: Budget, ask: Ask },
    /// What was seen of the calls to the origin since the process began.
    Calls { origin: u32, figures: Box<Figures> },
    /// A client's request, known by its slot and word, makes so many calls to the origin in parallel. Some are told, the widest
    /// always.
    FanOut { origin: u32, slot: u16, word: u32, calls: u32 },
    /// Where the limit is adaptive, ten times a second while calls are made: the most in flight since the last of these, and how
    /// long some of the calls took that have ended, without their wait and what the loop was late; at most [`SAMPLES_MAX`].
    Samples { origin: u32, peak: u32, took_us: Vec<u32> },
    /// The app forks itself with node:cluster: the calls of its children are not seen.
    Forks,
    /// Where a breaker watches: at the end of the turn of the loop in which a call failed, and else ten times a second while
    /// calls end; where it only observes, ten times a second, or once where none failed.
    Outcomes { origin: u32, outcomes: Outcomes },
    /// The breaker is open, its time is over, and the app makes a call, which waits.
    Probe { origin: u32 },
    /// That call is over.
    Probed { origin: u32, probed: Probed },
    /// The breaker is open, and a call of a client's request was refused. Some are told.
    Broken { origin: u32, slot: u16, word: u32 },
}

/// Supervisor to agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToAgent {
    /// See the app's calls. `hold`: some may be limited, so that the first call to each origin waits for its limit.
    Watch {
        hold: bool,
    },
    /// What holds for an origin. 0 stands for "no limit".
    Limit {
        origin: u32,
        limit: Limit,
    },
    Grant {
        origin: u32,
        budget: Budget,
        grant: Grant,
    },
    /// To all processes that call the origin, or in answer to [`FromAgent::Probe`].
    Breaker {
        origin: u32,
        breaker: Breaker,
    },
}

/// What holds for an origin; 0: no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Calls wait and are refused; otherwise it is only computed what would become of them.
    pub enforce: bool,
    pub concurrency: u32,
    /// Calls per second.
    pub rate: u32,
    pub burst: u32,
    pub queue: u32,
    pub queue_timeout_ms: u32,
    pub per_request: u32,
    /// `concurrency` is the most that may be found; how long calls take is to be told.
    pub adaptive: bool,
    /// What becomes of calls is to be told.
    pub breaker: Watched,
    /// Of the calls in flight of a process so many in a hundred may be retries; 0: any number.
    pub retry_percent: u32,
    /// Retries in flight that are always allowed.
    pub retry_least: u32,
}

/// How a breaker looks at the calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Watched {
    #[default]
    Off,
    /// It only computes what it would do.
    Observe,
    Enforce,
}

impl Watched {
    fn read(number: u8) -> Option<Self> {
        [Self::Off, Self::Observe, Self::Enforce].get(usize::from(number)).copied()
    }
}

impl Budget {
    fn read(word: &str) -> Option<Self> {
        match word {
            "concurrency" => Some(Self::Concurrency),
            "rate" => Some(Self::Rate),
            _ => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Concurrency => "concurrency",
            Self::Rate => "rate",
        }
    }
}

impl FromAgent {
    pub(crate) fn parse(kind: u8, field: &Fields<'_>) -> Option<Self> {
        let origin = || field.number(0).filter(|origin| (*origin as usize) <= ORIGINS_MAX);
        match kind {
            ORIGIN => Some(Self::Origin {
                origin: origin()?,
                name: field.text(1).filter(|name| !name.is_empty() && name.len() <= NAME_MAX)?,
            }),
            ASK => Some(Self::Ask {
                origin: origin()?,
                budget: Budget::read(&field.text(1)?)?,
                ask: Ask::read(field, 2)?,
            }),
            CALLS => {
                Some(Self::Calls { origin: origin()?, figures: Box::new(Figures::read(&field.text(1)?)?) })
            }
            FAN_OUT => Some(Self::FanOut {
                origin: origin()?,
                slot: field.number(1)?,
                word: field.number(2)?,
                calls: field.number(3)?,
            }),
            FORKS => Some(Self::Forks),
            SAMPLES => Some(Self::Samples {
                origin: origin()?,
                peak: field.number(1)?,
                took_us: samples(&field.text(2)?)?,
            }),
            OUTCOMES => Some(Self::Outcomes { origin: origin()?, outcomes: Outcomes::read(field, 1)? }),
            PROBE => Some(Self::Probe { origin: origin()? }),
            PROBED => Some(Self::Probed { origin: origin()?, probed: Probed::read(&field.text(1)?)? }),
            BROKEN => {
                Some(Self::Broken { origin: origin()?, slot: field.number(1)?, word: field.number(2)? })
            }
            _ => None,
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        match self {
            Self::Origin { origin, name } => write(ORIGIN, &[&origin.to_string(), name]),
            Self::Ask { origin, budget, ask } => of_budget(ASK, *origin, *budget, &ask.words()),
            Self::Calls { origin, figures } => write(CALLS, &[&origin.to_string(), &figures.write()]),
            Self::FanOut { origin, slot, word, calls } => {
                of_request(FAN_OUT, [*origin, u32::from(*slot), *word, *calls])
            }
            Self::Forks => write(FORKS, &[]),
            Self::Samples { origin, peak, took_us } => {
                let took = took_us.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
                write(SAMPLES, &[&origin.to_string(), &peak.to_string(), &took])
            }
            Self::Outcomes { origin, outcomes } => outcomes.write(OUTCOMES, *origin),
            Self::Probe { origin } => write(PROBE, &[&origin.to_string()]),
            Self::Probed { origin, probed } => write(PROBED, &[&origin.to_string(), probed.word()]),
            Self::Broken { origin, slot, word } => of_request(BROKEN, [*origin, u32::from(*slot), *word]),
        }
    }
}

fn of_request<const N: usize>(kind: u8, numbers: [u32; N]) -> Vec<u8> {
    let numbers = numbers.map(|number| number.to_string());
    write(kind, &numbers.each_ref().map(String::as_str))
}

fn of_budget(kind: u8, origin: u32, budget: Budget, [a, b, c, d]: &[String; 4]) -> Vec<u8> {
    write(kind, &[&origin.to_string(), budget.word(), a, b, c, d])
}

fn samples(text: &str) -> Option<Vec<u32>> {
    let words = text.split(' ').filter(|word| !word.is_empty());
    let samples: Vec<u32> =
        words.take(SAMPLES_MAX + 1).map(|word| word.parse().ok()).collect::<Option<_>>()?;
    (samples.len() <= SAMPLES_MAX).then_some(samples)
}

impl ToAgent {
    pub(crate) fn parse(kind: u8, field: &Fields<'_>) -> Option<Self> {
        match kind {
            WATCH_CALLS => Some(Self::Watch { hold: field.number::<u8>(0)? != 0 }),
            LIMIT => Some(Self::Limit {
                origin: field.number(0)?,
                limit: Limit {
                    enforce: field.number::<u8>(1)? != 0,
                    concurrency: field.number(2)?,
                    rate: field.number(3)?,
                    burst: field.number(4)?,
                    queue: field.number(5)?,
                    queue_timeout_ms: field.number(6)?,
                    per_request: field.number(7)?,
                    adaptive: field.number::<u8>(8)? != 0,
                    breaker: Watched::read(field.number(9)?)?,
                    retry_percent: field.number(10)?,
                    retry_least: field.number(11)?,
                },
            }),
            GRANT => Some(Self::Grant {
                origin: field.number(0)?,
                budget: Budget::read(&field.text(1)?)?,
                grant: Grant::read(field, 2)?,
            }),
            BREAKER => Some(Self::Breaker { origin: field.number(0)?, breaker: Breaker::read(field, 1)? }),
            _ => None,
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        match self {
            Self::Watch { hold } => write(WATCH_CALLS, &[&u8::from(*hold).to_string()]),
            Self::Limit { origin, limit } => {
                let Limit {
                    enforce,
                    concurrency,
                    rate,
                    burst,
                    queue,
                    queue_timeout_ms,
                    per_request,
                    adaptive,
                    breaker,
                    retry_percent,
                    retry_least,
                } = limit;
                let numbers = [
                    origin,
                    &u32::from(*enforce),
                    concurrency,
                    rate,
                    burst,
                    queue,
                    queue_timeout_ms,
                    per_request,
                    &u32::from(*adaptive),
                    &(*breaker as u32),
                    retry_percent,
                    retry_least,
                ]
                .map(ToString::to_string);
                write(LIMIT, &numbers.each_ref().map(String::as_str))
            }
            Self::Grant { origin, budget, grant } => of_budget(GRANT, *origin, *budget, &grant.words()),
            Self::Breaker { origin, breaker } => breaker.write(BREAKER, *origin),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::message;

    #[test]
    fn every_message_reads_back_as_itself() {
        let mut figures = Figures { in_flight: 3, took_ms: u64::MAX, ..Figures::default() };
        figures.durations[14] = 7;
        let budget = Budget::Rate;
        for said in [
            FromAgent::Origin { origin: 64, name: "https://api.example.com:8443".into() },
            FromAgent::Ask { origin: 1, budget, ask: Ask { serial: 2, wants: 3, held: 4, stamp: u64::MAX } },
            FromAgent::Calls { origin: 0, figures: Box::new(figures) },
            FromAgent::FanOut { origin: 0, slot: 1023, word: u32::MAX, calls: 50 },
            FromAgent::Samples { origin: 0, peak: 7, took_us: vec![1, u32::MAX] },
            FromAgent::Samples { origin: 0, peak: 0, took_us: Vec::new() },
            FromAgent::Forks,
            FromAgent::Outcomes {
                origin: 3,
                outcomes: Outcomes { calls: 9, failed: 8, gateway: 7, run: 6, gateway_run: 5, ok_ago_ms: 4 },
            },
            FromAgent::Probe { origin: 3 },
            FromAgent::Probed { origin: 3, probed: Probed::Answered },
            FromAgent::Probed { origin: 3, probed: Probed::Failed },
            FromAgent::Probed { origin: 3, probed: Probed::Nothing },
            FromAgent::Broken { origin: 3, slot: 1023, word: u32::MAX },
        ] {
            let said = message::FromAgent::Calls(said);
            let bytes = said.write();
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert_eq!(message::FromAgent::read(&frame).unwrap(), said);
        }
        let limit = Limit {
            enforce: true,
            concurrency: 10,
            rate: 200,
            burst: 20,
            queue: 100,
            queue_timeout_ms: 1000,
            per_request: 0,
            adaptive: true,
            breaker: Watched::Enforce,
            retry_percent: 20,
            retry_least: 3,
        };
        for said in [
            ToAgent::Watch { hold: true },
            ToAgent::Limit { origin: 1, limit },
            ToAgent::Grant {
                origin: 1,
                budget,
                grant: Grant { serial: 2, amount: 3, stamp: 4, length_ms: 5 },
            },
            ToAgent::Breaker { origin: 1, breaker: Breaker::Closed },
            ToAgent::Breaker { origin: 1, breaker: Breaker::Open { for_ms: 5000, why: "5 in a row".into() } },
            ToAgent::Breaker { origin: 1, breaker: Breaker::Probe },
        ] {
            let said = message::ToAgent::Calls(said);
            let bytes = said.write();
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert_eq!(message::ToAgent::read(&frame).unwrap(), said);
        }
    }

    #[test]
    fn what_is_out_of_bounds_or_incomplete_is_refused() {
        let long = "x".repeat(NAME_MAX + 1);
        let figures = "1 ".repeat(100);
        for (kind, fields) in [
            (ORIGIN, vec!["65", "http://a"]),
            (ORIGIN, vec!["0", ""]),
            (ORIGIN, vec!["0", &long]),
            (ASK, vec!["0", "other", "0", "0", "0", "0"]),
            (ASK, vec!["0", "rate", "0", "-1", "0", "0"]),
            (CALLS, vec!["0", "1 2 3"]),
            (CALLS, vec!["0", &figures]),
            (FAN_OUT, vec!["0", "65536", "0", "1"]),
            (BROKEN, vec!["0", "65536", "0"]),
            (SAMPLES, vec!["0", "1", "1 -1"]),
            (SAMPLES, vec!["0", "1", &figures]),
            (OUTCOMES, vec!["0", "1", "2"]),
            (PROBED, vec!["0", "maybe"]),
            (LIMIT, vec!["0", "1", "1"]),
            (LIMIT, vec!["0", "1", "1", "1", "1", "1", "1", "1", "1", "3", "0", "0"]),
            (BREAKER, vec!["0", "open", "soon"]),
        ] {
            let bytes = write(kind, &fields);
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert!(message::FromAgent::read(&frame).is_err(), "{kind} {fields:?}");
            assert!(message::ToAgent::read(&frame).is_err(), "{kind} {fields:?}");
        }
    }
}
