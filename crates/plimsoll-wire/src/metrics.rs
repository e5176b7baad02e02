//! The supervisor asks a process for what only it knows of its metrics; the answer comes in as many messages as it takes.
//!
//! It is text, a line for each thing: `n{…}`, what Node says of itself; `f[name, help, type, aggregator]`, a metric that the
//! app keeps in prom-client; `s[suffix, value, {label: value}]`, a sample of the metric before it. The values are JSON.

use crate::message::{Fields, write};

/// Longest line, in bytes.
pub const LINE_MAX: usize = 32 * 1024;
/// Of one message. A field has room for it.
pub const TEXT_MAX: usize = 60_000;

pub(crate) const METRICS_PART: u8 = 60;
pub(crate) const METRICS_END: u8 = 61;
pub(crate) const READ_METRICS: u8 = 88;

/// Agent to supervisor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromAgent {
    /// Some whole lines.
    Part { id: u32, lines: String },
    /// That was all.
    End { id: u32, left_out: u32 },
}

/// Supervisor to agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    pub id: u32,
    /// Of all lines together.
    pub bytes_max: u32,
    /// The app's own metrics as well.
    pub app: bool,
}

impl FromAgent {
    pub(crate) fn parse(kind: u8, field: &Fields<'_>) -> Option<Self> {
        let id = field.number(0)?;
        match kind {
            METRICS_PART => {
                Some(Self::Part { id, lines: field.text(1).filter(|lines| lines.len() <= TEXT_MAX)? })
            }
            METRICS_END => Some(Self::End { id, left_out: field.number(1)? }),
            _ => None,
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        match self {
            Self::Part { id, lines } => write(METRICS_PART, &[&id.to_string(), lines]),
            Self::End { id, left_out } => write(METRICS_END, &[&id.to_string(), &left_out.to_string()]),
        }
    }
}

impl Read {
    pub(crate) fn parse(kind: u8, field: &Fields<'_>) -> Option<Self> {
        match kind {
            READ_METRICS => Some(Self {
                id: field.number(0)?,
                bytes_max: field.number(1)?,
                app: field.number::<u8>(2)? != 0,
            }),
            _ => None,
        }
    }

    pub(crate) fn write(self) -> Vec<u8> {
        let Self { id, bytes_max, app } = self;
        write(READ_METRICS, &[&id.to_string(), &bytes_max.to_string(), &u8::from(app).to_string()])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;
    use crate::message;

    #[test]
    fn every_message_reads_back_as_itself() {
        for said in [
            FromAgent::Part { id: 7, lines: "n{}\ns[\"\",1,{}]\n".into() },
            FromAgent::End { id: u32::MAX, left_out: 3 },
        ] {
            let said = message::FromAgent::Metrics(said);
            let bytes = said.write();
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert_eq!(message::FromAgent::read(&frame).unwrap(), said);
        }
        let read = message::ToAgent::Metrics(Read { id: 7, bytes_max: 4096, app: true });
        let bytes = read.write();
        let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
        assert_eq!(message::ToAgent::read(&frame).unwrap(), read);
    }

    #[test]
    fn what_is_too_long_or_incomplete_is_refused() {
        let long = "x".repeat(TEXT_MAX + 1);
        for (kind, fields) in
            [(METRICS_PART, vec!["1", &long]), (METRICS_PART, vec!["1"]), (METRICS_END, vec!["1", "-1"])]
        {
            let bytes = write(kind, &fields);
            let (frame, _) = Frame::read(&bytes).unwrap().unwrap();
            assert!(message::FromAgent::read(&frame).is_err(), "{kind}");
        }
    }
}
