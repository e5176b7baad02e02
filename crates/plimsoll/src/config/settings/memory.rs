//! Settings of the promise `memory`.

use super::{DAY, KB, length, size};
use crate::config::definition::{Default, Definition, FlagDefinition, Setting};
use crate::config::form::{HeapSize, Optional, Share};

const MB: u64 = KB * KB;

pub(super) static SETTINGS: &[&dyn Definition] = &[
    &Setting {
        key: "memory.heap",
        form: HeapSize(size(32 * MB, 1024 * KB * MB)),
        place: |config| &mut config.memory.heap,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How large the heap of each worker is made. `auto` divides the memory of the container by the workers, with \
              room for a reload, and chooses the size of the semi-spaces by the version of Node. A size is that of the old space of \
              each worker. `off` leaves it to V8. Where the command or `NODE_OPTIONS` says something about heaps, that \
              holds and nothing is set.",
    },
    &Setting {
        key: "memory.limit",
        form: Optional { word: "auto", form: size(128 * MB, 1024 * KB * MB) },
        place: |config| &mut config.memory.limit_bytes,
        flag: FlagDefinition::None,
        default: Default::Depends("`auto`, the limit of the container, or else the memory of the machine"),
        doc: "How much memory Plimsoll and its workers may use together; heaps are made to fit it. Set it where the \
              container's limit cannot be seen from inside, or where others live in the same container.",
    },
    &Setting {
        key: "memory.pause_threshold",
        form: length(1, DAY),
        place: |config| &mut config.memory.pause_threshold,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long one pause of the garbage collector may take before it is an incident, with the requests that \
              waited for it. Lower it to hear of shorter ones.",
    },
    &Setting {
        key: "memory.recycle_at",
        form: Optional { word: "off", form: Share },
        place: |config| &mut config.memory.recycle_at,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How full a worker may become before it is renewed the way a reload does it, without losing a request: the \
              share of its heap that a major collection leaves, or of its part of the memory that it holds. Lower it where \
              a leak is so fast that workers die before they are renewed; `off` waits for that.",
    },
];
