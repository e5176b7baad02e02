//! Settings: from four sources to one immutable [`Config`].
//!
//! ```text
//! flag ──┐
//! env  ──┤  text ──> form (unit, range) ──> Config
//! file ──┤                                 + where each value came from
//! default┘
//! ```
//!
//! [`settings`] is the one table of definitions. The reader of the file, the reader of the environment, the
//! command line with its help, the reference page and `plimsoll config` are all made from it, so that none of
//! them can know a setting that another does not. A new setting is a field of [`Config`] and a row there.
//!
//! All problems of a source are collected and reported together, each with its place and a hint: nobody wants
//! to mend a file one error at a time.
//!
//! An array of tables (`[[event_loop.lane]]`) is one setting, written in one line everywhere but in the file.
//!
//! Tables whose names the user chooses (`[downstream."api.example.com"]`, `[pools."db"]`) hold the settings of one table
//! of the definitions, and begin with its values: see [`named`].
//!
//! Tables of which there may be many (`[[logs.sink]]`) are not rows of that
//! table: they have one of their own, as in [`sinks`]. The place where they part is `file::walk`, the only code that
//! decides what a key of the file is.

mod context;
mod definition;
mod effective;
mod environment;
mod file;
mod form;
mod lane;
mod load;
mod metrics;
mod named;
mod nearest;
mod otel;
mod problem;
mod reference;
mod resolved;
mod settings;
mod sinks;
#[cfg(test)]
mod tests;
mod units;

pub use context::{Ask, Context, Propagate};
pub use definition::FlagDefinition;
pub use effective::{Format, render as render_effective};
pub use form::{SyslogAddress, Url};
pub use lane::{Lane, Pattern};
pub use load::{Effective, Origin, Sources, Unseen, load};
pub use metrics::{AppMetrics, Metrics};
pub use otel::{Export, Otel, Signal, target_usual};
pub use problem::{Place, Problem, Problems};
pub use reference::render as render_reference;
pub use resolved::*;
pub use settings::{NAME_MAX, flags};
pub use sinks::{
    Compress, FileSink, Header, HttpSink, HttpTarget, LogFormat, LogSink, Protocol as SinkProtocol,
    SinkTarget, Spill, Standard, SyslogSink,
};
