//! The table of the keys of a sink.

use super::draft::{Draft, Kind};
use super::{Compress, LogFormat};
use crate::config::form::{Choice, Count, Form, HttpUrl, Name, Optional, PathName, Reason, Syslog};
use crate::config::resolved::LogLevel;
use crate::config::settings::{DAY, KB, SECOND, length, size};

/// One row, with the type of its value.
pub(super) struct Row<F: Form> {
    name: &'static str,
    /// The sinks that have it.
    kinds: &'static [Kind],
    form: F,
    place: fn(&mut Draft) -> &mut F::Value,
    need: Need,
    doc: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    Must,
    /// There is a default.
    May,
}

/// One row, whatever its type.
pub(super) trait Key: Sync {
    fn name(&self) -> &'static str;
    fn kinds(&self) -> &'static [Kind];
    fn need(&self) -> Need;
    fn doc(&self) -> &'static str;
    fn describe(&self) -> String;
    fn set(&self, draft: &mut Draft, text: &str) -> Result<(), Reason>;
    fn get(&self, draft: &Draft) -> String;
}

impl<F: Form + Sync> Key for Row<F> {
    fn name(&self) -> &'static str {
        self.name
    }

    fn kinds(&self) -> &'static [Kind] {
        self.kinds
    }

    fn need(&self) -> Need {
        self.need
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn describe(&self) -> String {
        self.form.describe()
    }

    fn set(&self, draft: &mut Draft, text: &str) -> Result<(), Reason> {
        *(self.place)(draft) = self.form.read(text)?;
        Ok(())
    }

    fn get(&self, draft: &Draft) -> String {
        self.form.write((self.place)(&mut draft.clone()))
    }
}

/// The key as such a sink has it, else as others have it.
pub(super) fn find(name: &str, kind: Kind) -> Option<&'static dyn Key> {
    let mut named = KEYS.iter().copied().filter(|key| key.name() == name);
    let first = named.clone().next();
    named.find(|key| key.kinds().contains(&kind)).or(first)
}

const LEVEL: Choice<LogLevel> = Choice(&[
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
]);

/// In the order of the reference page.
pub(super) static KEYS: &[&dyn Key] = &[
    &Row {
        name: "name",
        kinds: &Kind::ALL,
        form: Name { most: 64 },
        place: |draft| &mut draft.name,
        need: Need::May,
        doc: "What the sink is called in messages and metrics. Set it where two sinks have the same type.",
    },
    &Row {
        name: "level",
        kinds: &Kind::ALL,
        form: Optional { word: "off", form: LEVEL },
        place: |draft| &mut draft.level,
        need: Need::May,
        doc: "Least important lines that go there. `off` stops them all: for `stdout`, where something else keeps the \
              log.",
    },
    &Row {
        name: "queue",
        kinds: &Kind::ALL,
        form: size(64 * KB, KB * KB * KB),
        place: |draft| &mut draft.queue_bytes,
        need: Need::May,
        doc: "Most bytes that may wait for the sink while it is slow or away. Then debug lines are dropped first and \
              errors last; the app and other sinks do not notice.",
    },
    &Row {
        name: "spill",
        kinds: &Kind::REMOTE,
        form: Optional { word: "off", form: PathName },
        place: |draft| &mut draft.spill,
        need: Need::May,
        doc: "A file in which lines wait while the other side takes none, so that hours without it cost no line; the next \
              run sends what this one could not. Each sink and instance needs one of its own.",
    },
    &Row {
        name: "spill_size",
        kinds: &Kind::REMOTE,
        form: size(KB * KB, 1024 * KB * KB * KB),
        place: |draft| &mut draft.spill_bytes,
        need: Need::May,
        doc: "How large that file may become. When it is full, lines wait in `queue`, and what finds no room there is \
              dropped.",
    },
    &Row {
        name: "format",
        kinds: &[Kind::Stdout, Kind::File],
        form: Choice(&[
            ("raw", LogFormat::Raw),
            ("json", LogFormat::Json),
            ("human", LogFormat::Human),
            ("auto", LogFormat::Auto),
        ]),
        place: |draft| &mut draft.format,
        need: Need::May,
        doc: "`raw`: byte for byte as the worker wrote it. `json`: an object per record with time, worker, level, request \
              and the line. `human`: as `plimsoll logs` shows it. `auto`: `human` on a terminal, `json` elsewhere.",
    },
    &Row {
        name: "path",
        kinds: &[Kind::File],
        form: PathName,
        place: |draft| &mut draft.path,
        need: Need::Must,
        doc: "The file. Its directory is made where it is missing. Whoever moves the file away (logrotate) needs to tell \
              nobody.",
    },
    &Row {
        name: "rotate_size",
        kinds: &[Kind::File],
        form: size(64 * KB, 1024 * KB * KB * KB),
        place: |draft| &mut draft.rotate_bytes,
        need: Need::May,
        doc: "A file that would become larger is set aside first, with the time in its name.",
    },
    &Row {
        name: "rotate_every",
        kinds: &[Kind::File],
        form: Optional { word: "off", form: length(60 * SECOND, 365 * DAY) },
        place: |draft| &mut draft.rotate_every,
        need: Need::May,
        doc: "Sets the file aside after so much time as well, in UTC: `1d` begins a new one with the first line after \
              midnight, `1h` after the full hour.",
    },
    &Row {
        name: "keep",
        kinds: &[Kind::File],
        form: Count { least: 0, most: 10_000 },
        place: |draft| &mut draft.keep,
        need: Need::May,
        doc: "Files that were set aside and stay; older ones are removed.",
    },
    &Row {
        name: "compress",
        kinds: &[Kind::File],
        form: Choice(&[("gzip", Compress::Gzip), ("zstd", Compress::Zstd), ("off", Compress::Off)]),
        place: |draft| &mut draft.compress,
        need: Need::May,
        doc: "How files that were set aside are packed: as `.gz` or as `.zst`.",
    },
    &Row {
        name: "compress",
        kinds: &[Kind::Otlp, Kind::Loki, Kind::Http],
        form: Choice(&[("gzip", Compress::Gzip), ("off", Compress::Off)]),
        place: |draft| &mut draft.compress,
        need: Need::May,
        doc: "Whether what is sent is packed.",
    },
    &Row {
        name: "url",
        kinds: &Kind::SENDING,
        form: HttpUrl,
        place: |draft| &mut draft.url,
        need: Need::Must,
        doc: "Where it is sent to. Without a path it is that of the protocol: `/v1/logs` (otlp), `/loki/api/v1/push` \
              (loki). With `https` TLS is spoken.",
    },
    &Row {
        name: "ca",
        kinds: &Kind::REMOTE,
        form: Optional { word: "system", form: PathName },
        place: |draft| &mut draft.ca,
        need: Need::May,
        doc: "A file of certificates in PEM: over TLS the other side must have its own from one of these. `system`: from one \
              that the system trusts (`SSL_CERT_FILE`, `/etc/ssl/certs`), or Mozilla's list where the system has none. Set it \
              where the collector has a certificate of your own authority.",
    },
    &Row {
        name: "batch_size",
        kinds: &Kind::SENDING,
        form: size(KB, 16 * KB * KB),
        place: |draft| &mut draft.batch_bytes,
        need: Need::May,
        doc: "Most bytes of log that are sent at once.",
    },
    &Row {
        name: "batch_wait",
        kinds: &Kind::SENDING,
        form: length(0, 60 * SECOND),
        place: |draft| &mut draft.batch_wait,
        need: Need::May,
        doc: "How long to wait for more before less is sent.",
    },
    &Row {
        name: "timeout",
        kinds: &Kind::SENDING,
        form: length(100, 300 * SECOND),
        place: |draft| &mut draft.timeout,
        need: Need::May,
        doc: "How long one attempt may take, from connecting to the end of the answer.",
    },
    &Row {
        name: "address",
        kinds: &[Kind::Syslog],
        form: Syslog,
        place: |draft| &mut draft.address,
        need: Need::May,
        doc: "Where syslog listens. Over UDP and the Unix socket a line is a datagram, of which 8 KB arrive; over TCP lines \
              have any length.",
    },
    &Row {
        name: "facility",
        kinds: &[Kind::Syslog],
        form: Choice(&[
            ("user", 1),
            ("daemon", 3),
            ("local0", 16),
            ("local1", 17),
            ("local2", 18),
            ("local3", 19),
            ("local4", 20),
            ("local5", 21),
            ("local6", 22),
            ("local7", 23),
        ]),
        place: |draft| &mut draft.facility,
        need: Need::May,
        doc: "By which syslog sorts.",
    },
];
