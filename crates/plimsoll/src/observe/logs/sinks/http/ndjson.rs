//! An object per line, as `plimsoll logs --json` has them.

use std::sync::Arc;

use crate::concerns::logs::record::Record;
use crate::observe::logs::sinks::format::Format;
use crate::observe::ship::http::Encoding;

pub(super) struct Ndjson;

impl Encoding<Record> for Ndjson {
    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn encode(&self, batch: &[Arc<Record>]) -> Vec<u8> {
        let mut text = Vec::new();
        batch.iter().for_each(|record| Format::Json.write(record, &mut text));
        text
    }
}
