//! What is said of the pools in which the app keeps its connections: one [`FromAgent::Pool`] for each that is used, then
//! what was seen of it, once a second while something happens, and where connections are shared out over the workers,
//! what is wanted of them and lent.
//!
//! The agent gives each pool a number of its own, from 0; the number of a pool that is gone is given again.

mod figures;

pub use self::figures::Figures;
use crate::figures::Counts;
use crate::lease::{Ask, Grant};
use crate::message::{Fields, write};

/// Pools that a process tells apart; any further one is not looked at.
pub const POOLS_MAX: usize = 32;
/// Longest name of a library, a server or a database, in bytes.
pub const NAME_MAX: usize = 200;
/// Longest stack that is told of who took a connection, in bytes.
pub const TAKER_MAX: usize = 2000;

/// Upper bounds of the buckets of a histogram in the first decade, in microseconds. Fine enough for a 99th percentile;
/// the bounds of the metrics are among them.
pub const DECADE_US: [u64; 20] =
    [100, 110, 125, 140, 160, 180, 200, 225, 250, 280, 315, 350, 400, 450, 500, 560, 625, 680, 750, 860];
const DECADES: usize = 6;
/// One more than there are bounds: the last bucket has none.
pub const TIMES: usize = DECADE_US.len() * DECADES + 1;

pub(crate) const POOL: u8 = 112;
pub(crate) const POOL_FIGURES: u8 = 113;
pub(crate) const POOL_LEAK: u8 = 114;
pub(crate) const POOL_GONE: u8 = 115;
pub(crate) const POOL_ASK: u8 = 116;
pub(crate) const POOL_SERVER: u8 = 117;
pub(crate) const WATCH_POOLS: u8 = 120;
pub(crate) const POOL_RULE: u8 = 121;
pub(crate) const POOL_GRANT: u8 = 122;

/// Upper bound of a bucket in microseconds; `None`: the last one.
#[must_use]
pub fn bound_us(bucket: usize) -> Option<u64> {
    let decade =
        u32::try_from(bucket / DECADE_US.len()).ok().filter(|decade| (*decade as usize) < DECADES)?;
    Some(DECADE_US.get(bucket % DECADE_US.len())? * 10_u64.pow(decade))
}

/// How many took how long.
pub type Times = Counts<TIMES>;

/// Agent to supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromAgent {
    /// The first connection of a pool is taken.
    Pool { pool: u32, about: About },
    /// What was seen of it since then.
    Figures { pool: u32, figures: Box<Figures> },
    /// A connection is held for so long, and where it was taken, as far as known.
    Leak { pool: u32, held_ms: u64, taker: String },
    /// The pool was ended.
    Gone { pool: u32 },
    /// What is wanted of the connections to its server, and had.
    Ask { pool: u32, ask: Ask },
    /// What its server says of itself, where that was asked for.
    Server { pool: u32, limit: u32, open: u32 },
}

/// Supervisor to agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToAgent {
    /// See the app's pools. `hold`: some may be re-sized, so that the first connection of each waits for its rule.
    Watch { hold: bool },
    /// What holds for a pool.
    Rule { pool: u32, rule: Rule },
    /// How many connections it may have.
    Grant { pool: u32, grant: Grant },
}

/// A pool, and what it leads to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct About {
    /// `pg`, `mysql2`, …
    pub library: String,
    /// `db:5432`, or the path of a socket; empty: not known.
    pub server: String,
    pub database: String,
    /// What the app set; 0: no limit.
    pub max: u32,
    /// It can be re-sized while it is used.
    pub is_sizeable: bool,
    /// Any number of commands are under way on one connection, so that none waits for another to give it back.
    pub is_shared: bool,
}

/// What holds for a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// It has as many connections as it is lent.
    pub enforce: bool,
    /// It may be given more than the app set.
    pub may_grow: bool,
    /// Its server is asked once a minute how many connections it has.
    pub inspect: bool,
    pub leak_after_ms: u32,
    /// 0: none.
    pub wait_timeout_ms: u32,
}

/// What people see: it must not move their cursor, nor break a line of the log.
fn name(field: &Fields<'_>, index: usize) -> Option<String> {
    field.text(index).filter(|text| text.len() <= NAME_MAX && !text.contains(char::is_control))
}

impl FromAgent {
    pub(crate) fn parse(kind: u8, field: &Fields<'_>) -> Option<Self> {
        let pool = field.number(0).filter(|pool| (*pool as usize) < POOLS_MAX)?;
        Some(match kind {
            POOL => Self::Pool {
                pool,
                about: About {
                    library: name(field, 1).filter(|library| !library.is_empty())?,
                    server: name(field, 2)?,
                    database: name(field, 3)?,
                    max: field.number(4)?,
                    is_sizeable: field.number::<u8>(5)? != 0,
                    is_shared: field.number::<u8>(6)? != 0,
                },
            },
            POOL_FIGURES => Self::Figures { pool, figures: Box::new(Figures::read(&field.text(1)?)?) },
            POOL_LEAK => Self::Leak {
                pool,
                held_ms: field.number(1)?,
                taker: field.text(2).filter(|taker| taker.len() <= TAKER_MAX)?,
            },
            POOL_GONE => Self::Gone { pool },
            POOL_ASK => Self::Ask { pool, ask: Ask::read(field, 1)? },
            POOL_SERVER => Self::Server { pool, limit: field.number(1)?, open: field.number(2)? },
            _ => return None,
        })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        match self {
            Self::Pool { pool, about: About { library, server, database, max, is_sizeable, is_shared } } => {
                write(
                    POOL,
                    &[
                        &pool.to_string(),
                        library,
                        server,
                        database,
                        &max.to_string(),
                        &u8::from(*is_sizeable).to_string(),
                        &u8::from(*is_shared).to_string(),
                    ],
                )
            }
            Self::Figures { pool, figures } => write(POOL_FIGURES, &[&pool.to_string(), &figures.write()]),
            Self::Leak { pool, held_ms, taker } => {
                write(POOL_LEAK, &[&pool.to_string(), &held_ms.to_string(), taker])
            }
            Self::Gone { pool } => write(POOL_GONE, &[&pool.to_string()]),
            Self::Ask { pool, ask } => lease(POOL_ASK, *pool, ask.words()),
            Self::Server { pool, limit, open } => {
                write(POOL_SERVER, &[&pool.to_string(), &limit.to_string(), &open.to_string()])
            }
        }
    }
}

impl ToAgent {
    pub(crate) fn parse(kind: u8, field: &Fields<'_>) -> Option<Self> {
        match kind {
            WATCH_POOLS => Some(Self::Watch { hold: field.number::<u8>(0)? != 0 }),
            POOL_RULE => Some(Self::Rule {
                pool: field.number(0)?,
                rule: Rule {
                    enforce: field.number::<u8>(1)? != 0,
                    may_grow: field.number::<u8>(2)? != 0,
                    inspect: field.number::<u8>(3)? != 0,
                    leak_after_ms: field.number(4)?,
                    wait_timeout_ms: field.number(5)?,
                },
            }),
            POOL_GRANT => Some(Self::Grant { pool: field.number(0)?, grant: Grant::read(field, 1)? }),
            _ => None,
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        match self {
            Self::Watch { hold } => write(WATCH_POOLS, &[&u8::from(*hold).to_string()]),
            Self::Rule { pool, rule } => {
                let Rule { enforce, may_grow, inspect, leak_after_ms, wait_timeout_ms } = *rule;
                let [enforce, may_grow, inspect] = [enforce, may_grow, inspect].map(u32::from);
                let numbers = [*pool, enforce, may_grow, inspect, leak_after_ms, wait_timeout_ms]
                    .map(|number| number.to_string());
                write(POOL_RULE, &numbers.each_ref().map(String::as_str))
            }
            Self::Grant { pool, grant } => lease(POOL_GRANT, *pool, grant.words()),
        }
    }
}

fn lease(kind: u8, pool: u32, words: [String; 4]) -> Vec<u8> {
    let [first, second, third, fourth] = &words;
    write(kind, &[&pool.to_string(), first, second, third, fourth])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::message;

    fn about() -> About {
        About {
            library: "pg".into(),
            server: "db:5432".into(),
            database: "shop".into(),
            max: 10,
            is_sizeable: true,
            is_shared: false,
        }
    }

    #[test]
    fn every_message_reads_back_as_itself() {
        let mut figures = Figures { open: 3, used_us: u64::MAX, ..Figures::default() };
        figures.waits.0[0] = 5;
        figures.uses.0[TIMES - 1] = 7;
        for said in [
            FromAgent::Pool { pool: 31, about: about() },
            FromAgent::Figures { pool: 0, figures: Box::new(figures) },
            FromAgent::Leak { pool: 1, held_ms: 31_000, taker: "    at work (/app/a b.js:7:9)".into() },
            FromAgent::Gone { pool: 1 },
            FromAgent::Ask { pool: 1, ask: Ask { serial: 2, wants: 3, held: 4, stamp: u64::MAX } },
            FromAgent::Server { pool: 1, limit: 100, open: 17 },
        ] {
            let said = message::FromAgent::Pools(said);
            let bytes = said.write();
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert_eq!(message::FromAgent::read(&frame).unwrap(), said);
        }
        let rule =
            Rule { enforce: true, may_grow: false, inspect: true, leak_after_ms: 30_000, wait_timeout_ms: 0 };
        for said in [
            ToAgent::Watch { hold: true },
            ToAgent::Rule { pool: 1, rule },
            ToAgent::Grant { pool: 1, grant: Grant { serial: 2, amount: 3, stamp: 4, length_ms: 5 } },
        ] {
            let said = message::ToAgent::Pools(said);
            let bytes = said.write();
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert_eq!(message::ToAgent::read(&frame).unwrap(), said);
        }
    }

    #[test]
    fn what_is_out_of_bounds_or_incomplete_is_refused() {
        let (long, taker) = ("x".repeat(NAME_MAX + 1), "x".repeat(TAKER_MAX + 1));
        let few = "1 ".repeat(17 + 2 * TIMES);
        let many = vec!["1"; 19 + 2 * TIMES].join(" ");
        for (kind, fields) in [
            (POOL, vec!["32", "pg", "db", "shop", "10", "1", "0"]),
            (POOL, vec!["0", "", "db", "shop", "10", "1", "0"]),
            (POOL, vec!["0", "pg", &long, "shop", "10", "1", "0"]),
            (POOL, vec!["0", "pg", "db\x1b[2J", "shop", "10", "1", "0"]),
            (POOL, vec!["0", "pg", "db", "shop", "-1", "1", "0"]),
            (POOL, vec!["0", "pg", "db", "shop", "10", "1"]),
            (POOL_FIGURES, vec!["0", "1 2 3"]),
            (POOL_FIGURES, vec!["0", few.trim_end()]),
            (POOL_FIGURES, vec!["0", &many]),
            (POOL_LEAK, vec!["0", "1", &taker]),
            (POOL_ASK, vec!["0", "0", "0", "0"]),
            (POOL_SERVER, vec!["0", "x", "0"]),
            (POOL_RULE, vec!["0", "1", "1", "1"]),
        ] {
            let bytes = write(kind, &fields);
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert!(message::FromAgent::read(&frame).is_err(), "{kind} {fields:?}");
            assert!(message::ToAgent::read(&frame).is_err(), "{kind} {fields:?}");
        }
    }

    #[test]
    fn the_bounds_rise_from_a_tenth_of_a_millisecond_to_over_a_minute() {
        let bounds: Vec<u64> = (0..).map_while(bound_us).collect();
        assert_eq!((bounds.len(), bounds[0], bounds[TIMES - 2]), (TIMES - 1, 100, 86_000_000));
        assert!(bounds.windows(2).all(|pair| pair[0] < pair[1] && pair[1] * 6 <= pair[0] * 7));
    }
}
