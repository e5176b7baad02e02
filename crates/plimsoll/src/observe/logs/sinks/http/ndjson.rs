//! An object per line, as `plimsoll logs --json` has them.

use std::sync::Arc;

use super::Encoding;
use crate::concerns::logs::record::Record;
use crate::observe::logs::sinks::format::Format;

pub(super) struct Ndjson;

impl Encoding for Ndjson {
    fn content_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn encode(&self, batch: &[Arc<Record>]) -> Vec<u8> {
        let mut text = Vec::new();
        batch.iter().for_each(|record| Format::Json.write(record, &mut text));
        text
    }
}
