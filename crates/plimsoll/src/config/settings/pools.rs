//! The settings of `pools`.

use super::{HOUR, SECOND, length};
use crate::config::PoolsMode;
use crate::config::definition::{Default, Definition, FlagDefinition, Setting};
use crate::config::form::{Choice, Count, Optional};

const TRUTH: Choice<bool> = Choice(&[("true", true), ("false", false)]);

pub(super) static SETTINGS: &[&dyn Definition] = &[
    &Setting {
        key: "pools.mode",
        form: Choice(&[
            ("observe", PoolsMode::Observe),
            ("enforce", PoolsMode::Enforce),
            ("off", PoolsMode::Off),
        ]),
        place: |config| &mut config.pools.default.mode,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "What is done about the pools in which the app keeps its connections to databases. `observe` measures how \
              long it waits for a connection, says which size is needed, and changes nothing. `enforce` shares \
              `max_connections` out over the workers by demand, and re-sizes their pools while they run. `off` does not \
              look at them. All keys of `[pools]` may also stand under the name of a server, as in `[pools.\"db:5432\"]`, \
              and then hold for the pools that lead there, with those of `[pools]` for what is not set. A name is a \
              host, or a host and a port, as the app has it.",
    },
    &Setting {
        key: "pools.max_connections",
        form: Optional { word: "unknown", form: Count { least: 1, most: 100_000 } },
        place: |config| &mut config.pools.default.max_connections,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Connections that the database server allows, as its own `max_connections` says; of PostgreSQL's three are kept \
              for its superusers. Against it the pools of all workers and replicas are held.",
    },
    &Setting {
        key: "pools.replicas",
        form: Count { least: 1, most: 10_000 },
        place: |config| &mut config.pools.default.replicas,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Instances of the app, on all hosts, that use the same server. Each has an even part of `max_connections`.",
    },
    &Setting {
        key: "pools.inspect",
        form: TRUTH,
        place: |config| &mut config.pools.default.inspect,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Ask the server itself, once a minute over an idle connection of the app, how many connections it allows and \
              how many others have open. It is off because it sends queries. PostgreSQL and MySQL.",
    },
    &Setting {
        key: "pools.allow_growth",
        form: TRUTH,
        place: |config| &mut config.pools.default.allow_growth,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "Under `enforce` a pool may become larger than the app made it, where `max_connections` has room.",
    },
    &Setting {
        key: "pools.wait_timeout",
        form: Optional { word: "off", form: length(1, HOUR) },
        place: |config| &mut config.pools.default.wait_timeout,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "How long the app may wait for a connection. Then it gets an error with the code `EPLIMSOLL_POOL` that says \
              how many are in use and wait. Many libraries wait for ever by themselves. A timeout of the app's own ends \
              the wait earlier. It holds in every mode but `off`.",
    },
    &Setting {
        key: "pools.leak_after",
        form: length(SECOND, 24 * HOUR),
        place: |config| &mut config.pools.default.leak_after,
        flag: FlagDefinition::None,
        default: Default::Value,
        doc: "A connection that the app holds for longer is told, with the place in the code that took it: it was perhaps \
              never given back. Raise it where work on one connection rightly takes longer.",
    },
];
