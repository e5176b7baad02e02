//! The settings of what is logged: `log`, what Plimsoll itself says, and `logs`, what the app does.

use super::{KB, size};
use crate::config::definition::{Default, Definition, FlagDefinition, Setting};
use crate::config::form::{Choice, Count, Optional, Share};
use crate::config::resolved::{AccessFormat, AccessMode, LogLevel, LogsMode};

pub(super) static SETTINGS: &[&dyn Definition] = &[
    &Setting {
        key: "log.level",
        form: Choice(&[
            ("error", LogLevel::Error),
            ("warn", LogLevel::Warn),
            ("info", LogLevel::Info),
            ("debug", LogLevel::Debug),
            ("trace", LogLevel::Trace),
        ]),
        place: |config| &mut config.log.level,
        flag: FlagDefinition::Value { long: "log-level", value_name: "LEVEL" },
        default: Default::Value,
        doc: "Least important lines that Plimsoll itself still writes to stderr; what the app prints always \
              passes. Set `debug` to see each step of a worker's life, `warn` to hear only of what went wrong. \
              The variable `LOG_LEVEL` is the app's and is not read.",
    },
    &Setting {
        key: "logs.access",
        form: Choice(&[
            ("off", AccessMode::Off),
            ("errors", AccessMode::Errors),
            ("sample", AccessMode::Sample),
            ("all", AccessMode::All),
        ]),
        place: |config| &mut config.logs.access,
        flag: FlagDefinition::Value { long: "access-log", value_name: "off|errors|sample|all" },
        default: Default::Value,
        doc: "Which requests have a line of their own, written by the gateway. `errors`: those that were answered 5xx, \
              refused by the gateway or cut. `sample`: all of them, as debug and info lines of the app are sampled above \
              `logs.rate`, together with those of the same request. `all`: all of them, whatever their number.",
    },
    &Setting {
        key: "logs.access_format",
        form: Choice(&[("json", AccessFormat::Json), ("combined", AccessFormat::Combined)]),
        place: |config| &mut config.logs.access_format,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How these lines are written. `json` has everything that the gateway knows; set `combined`, the format of \
              Apache and nginx, for programs that read that.",
    },
    &Setting {
        key: "logs.mode",
        form: Choice(&[("enforce", LogsMode::Enforce), ("observe", LogsMode::Observe)]),
        place: |config| &mut config.logs.mode,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "What is done where the app logs more than `logs.rate`. `enforce` samples its debug and info lines; \
              `observe` lets all pass and counts in `/metrics` what would have been dropped. Set `observe` to see \
              what sampling would do before it does it.",
    },
    &Setting {
        key: "logs.rate",
        form: Optional { word: "off", form: Count { least: 1, most: 10_000_000 } },
        place: |config| &mut config.logs.rate,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Lines per second, all workers together, below which every line passes untouched. Bursts of 20 seconds' \
              worth pass as well. Above it, debug and info lines are sampled by request, and lines of requests that \
              failed, warnings and errors are kept. `off` never samples.",
    },
    &Setting {
        key: "logs.sample",
        form: Optional { word: "off", form: Share },
        place: |config| &mut config.logs.sample,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Share of debug and info lines that is kept, whatever their number, by request: `0.01` keeps one request \
              in a hundred. Errors, warnings and requests that failed are kept. Set it where the volume is known and \
              is to be the same share every day.",
    },
    &Setting {
        key: "logs.buffer",
        form: size(KB * KB, KB * KB * KB),
        place: |config| &mut config.logs.buffer_bytes,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Most bytes of log that may wait between the workers' pipes and the sinks, all workers together. What \
              comes beyond is dropped and counted; the app never waits. Raise it when `/metrics` shows \
              drops with the reason `buffer_full`.",
    },
    &Setting {
        key: "logs.max_line",
        form: size(KB, 16 * KB * KB),
        place: |config| &mut config.logs.line_bytes_max,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Longest line, and longest stack trace. A longer line keeps its beginning, and its end says how many \
              bytes were cut.",
    },
];
