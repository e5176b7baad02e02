//! What an agent tells of the things that a traced request waited for: calls to other services, and connections.
//!
//! The agent knows the request from its `traceparent`, and says only what is certain to be the request's. Everything here
//! comes from a worker: texts are cut, numbers are what they are, and the ids lead nowhere unless the gateway knows them.

use crate::message::{Fields, write};

pub(crate) const SPAN: u8 = 144;
pub(crate) const WATCH_SPANS: u8 = 145;

/// Longest texts, in bytes.
pub const TO_MAX: usize = 300;
pub const METHOD_MAX: usize = 20;
pub const PATH_MAX: usize = 256;
pub const ERROR_MAX: usize = 64;

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An answer of another service.
    Http,
    /// A connection of a pool.
    Pool,
}

impl Kind {
    const fn word(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Pool => "pool",
        }
    }

    fn read(word: &str) -> Option<Self> {
        [Self::Http, Self::Pool].into_iter().find(|kind| kind.word() == word)
    }
}

/// Agent to supervisor, when it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    pub kind: Kind,
    /// The span of the request, as its `traceparent` has it; all 0: it is not known whose it is.
    pub request: [u8; 8],
    pub id: [u8; 8],
    /// `http://stock:8080`, or the name of the pool.
    pub to: String,
    pub method: String,
    /// Without the query.
    pub path: String,
    /// Microseconds since the epoch.
    pub start_us: u64,
    pub took_us: u64,
    /// How much of it was waiting for the limit of the origin.
    pub waited_us: u64,
    /// 0: there was no answer.
    pub status: u16,
    /// A code; empty: none.
    pub error: String,
    /// How many others ended since the last that was told, and are not told, because there were too many in a second.
    pub untold: u32,
}

/// Supervisor to agent: spans are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// Calls get a `traceparent`, where the app gives them none.
    pub propagates: bool,
    /// Of a request that is not recorded by chance, what took so long or failed is told all the same.
    pub told_from_ms: u32,
}

impl Span {
    pub(crate) fn parse(field: &Fields<'_>) -> Option<Self> {
        let text = |index, max: usize| field.text(index).filter(|text| text.len() <= max);
        Some(Self {
            kind: Kind::read(&field.text(0)?)?,
            request: id(&field.text(1)?)?,
            id: id(&field.text(2)?)?,
            to: text(3, TO_MAX)?,
            method: text(4, METHOD_MAX)?,
            path: text(5, PATH_MAX)?,
            start_us: field.number(6)?,
            took_us: field.number(7)?,
            waited_us: field.number(8)?,
            status: field.number(9)?,
            error: text(10, ERROR_MAX)?,
            untold: field.number(11)?,
        })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let [start, took, waited] = [self.start_us, self.took_us, self.waited_us].map(|us| us.to_string());
        let [status, untold] = [u32::from(self.status), self.untold].map(|number| number.to_string());
        let [request, own] = [self.request, self.id].map(|id| format!("{:016x}", u64::from_be_bytes(id)));
        let Self { kind, to, method, path, error, .. } = self;
        write(
            SPAN,
            &[kind.word(), &request, &own, to, method, path, &start, &took, &waited, &status, error, &untold],
        )
    }

    /// Of its texts.
    #[must_use]
    pub fn length(&self) -> usize {
        self.to.len() + self.method.len() + self.path.len() + self.error.len()
    }
}

impl Watch {
    pub(crate) fn parse(field: &Fields<'_>) -> Option<Self> {
        Some(Self { propagates: field.number::<u8>(0)? != 0, told_from_ms: field.number(1)? })
    }

    pub(crate) fn write(self) -> Vec<u8> {
        write(WATCH_SPANS, &[&u8::from(self.propagates).to_string(), &self.told_from_ms.to_string()])
    }
}

/// Sixteen digits.
fn id(text: &str) -> Option<[u8; 8]> {
    let is_hex = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(text, 16).ok()).flatten().map(u64::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::message::{FromAgent, ToAgent, Unknown};

    fn span() -> Span {
        Span {
            kind: Kind::Http,
            request: [1; 8],
            id: [0, 2, 3, 4, 5, 6, 7, 8],
            to: "http://stock:8080".to_owned(),
            method: "GET".to_owned(),
            path: "/items".to_owned(),
            start_us: 1_795_803_753_123_000,
            took_us: 17,
            waited_us: 3,
            status: 200,
            error: String::new(),
            untold: 3,
        }
    }

    #[test]
    fn what_is_said_reads_back_as_itself() {
        let pool = Span { kind: Kind::Pool, status: 0, error: "ECONNRESET".to_owned(), ..span() };
        for said in [span(), pool].map(FromAgent::Span) {
            let bytes = said.write();
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert_eq!(FromAgent::read(&frame).unwrap(), said);
        }
        let watch = ToAgent::Spans(Watch { propagates: true, told_from_ms: 100 });
        let bytes = watch.write();
        let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
        assert_eq!(ToAgent::read(&frame).unwrap(), watch);
    }

    #[test]
    fn what_is_too_long_or_no_id_is_refused() {
        let good =
            ["http", "0101010101010101", "0202020202020202", "a", "GET", "/", "1", "2", "0", "200", "", "0"];
        let long = "x".repeat(TO_MAX + 1);
        for (place, bad) in [
            (0, "ftp"),
            (1, "1"),
            (1, "+101010101010101"),
            (2, "zz02020202020202"),
            (3, long.as_str()),
            (4, "x2345678901234567890a"),
            (5, long.as_str()),
            (6, "-1"),
            (7, "18446744073709551616"),
            (9, "70000"),
            (10, long.as_str()),
            (11, "-1"),
        ] {
            let mut fields = good;
            fields[place] = bad;
            let bytes = write(SPAN, &fields);
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert_eq!(FromAgent::read(&frame), Err(Unknown { kind: SPAN }), "{place} {bad}");
        }
    }
}
