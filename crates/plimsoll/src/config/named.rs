//! Settings under a name that the user chooses: `[downstream."api.example.com"]`, `[pools."db:5432"]`. They are those of
//! one table of the definitions, and begin with its values.

use super::definition::Definition;
use super::form::Reason;
use super::load::Found;
use super::resolved::{Config, DownstreamLimits, PoolLimits};
use super::settings;

const NAMES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 253 + "https://*.:65535".len();

/// A table that holds names beside its own keys.
#[derive(Clone, Copy)]
pub(super) struct Table {
    /// Where the names stand.
    name: &'static str,
    /// What holds for every name that is not given.
    general: &'static str,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    Origins,
    Servers,
}

const TABLES: [Table; 2] = [
    Table { name: "downstream", general: "downstream.default", kind: Kind::Origins },
    Table { name: "pools", general: "pools", kind: Kind::Servers },
];

/// What has a value of its own for each name.
type Places<'a, T> = (&'a mut T, &'a mut Vec<(String, T)>);

fn origins(config: &mut Config) -> Places<'_, DownstreamLimits> {
    (&mut config.downstream.default, &mut config.downstream.named)
}

fn servers(config: &mut Config) -> Places<'_, PoolLimits> {
    (&mut config.pools.default, &mut config.pools.named)
}

/// The table in which names stand under `prefix`.
pub(super) fn table(prefix: &str) -> Option<Table> {
    TABLES.into_iter().find(|table| table.name == prefix)
}

impl Table {
    pub(super) fn find(self, name: &str) -> Option<&'static dyn Definition> {
        settings::find(&self.general_key(name))
    }

    /// The same setting for every name that is not given.
    pub(super) fn general_key(self, name: &str) -> String {
        format!("{}.{name}", self.general)
    }

    /// As it stands in the file: `downstream."api.example.com".rate`.
    pub(super) fn key(self, under: &str, setting: &dyn Definition) -> String {
        let key = setting.key().rsplit_once('.').map_or("", |(_, key)| key);
        format!("{}.\"{under}\".{key}", self.name)
    }

    pub(super) fn check(self, name: &str) -> Result<(), Reason> {
        match self.kind {
            Kind::Origins => check_origin(name),
            Kind::Servers => check_server(name),
        }
    }

    fn of(setting: &dyn Definition) -> Option<Self> {
        TABLES
            .into_iter()
            .find(|table| setting.key().strip_prefix(table.general).is_some_and(|rest| rest.starts_with('.')))
    }
}

/// A host, `*.` and a domain, either with a port or a scheme.
fn check_origin(name: &str) -> Result<(), Reason> {
    let rest = name.strip_prefix("http://").or_else(|| name.strip_prefix("https://")).unwrap_or(name);
    let host = rest.strip_prefix("*.").unwrap_or(rest);
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':' | '[' | ']');
    if !host.is_empty() && name.len() <= NAME_BYTES_MAX && host.chars().all(fits) {
        return Ok(());
    }
    Err(Reason::new(
        format!("`{name}` is not the name of an origin"),
        "write a host like `api.example.com`, `*.example.com` or `stock:8080`, with `https://` before it if it matters; \
         a name with dots needs quotes",
    ))
}

/// A host, or a host and its port, or the directory of a socket.
fn check_server(name: &str) -> Result<(), Reason> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.:[]/".contains(c);
    if !name.is_empty() && name.len() <= NAME_BYTES_MAX && name.chars().all(fits) {
        return Ok(());
    }
    Err(Reason::new(
        format!("`{name}` is not the name of a database server"),
        "write its host as the app has it, like `db` or `db.example.com:5432`; a name with dots or a port needs quotes",
    ))
}

/// As it stands in the file.
pub(super) fn key(under: &str, setting: &dyn Definition) -> String {
    Table::of(setting).map_or_else(|| setting.key().to_owned(), |table| table.key(under, setting))
}

/// Sets one key under a name.
pub(super) fn set(config: &mut Config, name: &str, found: &Found) -> Result<(), Reason> {
    match Table::of(found.setting).map(|table| table.kind) {
        Some(Kind::Origins) => set_in(config, origins, name, found),
        Some(Kind::Servers) => set_in(config, servers, name, found),
        None => Ok(()),
    }
}

fn set_in<T: Copy>(
    config: &mut Config,
    places: fn(&mut Config) -> Places<'_, T>,
    name: &str,
    found: &Found,
) -> Result<(), Reason> {
    let (general, named) = places(config);
    let known = named.iter().find(|(known, _)| known == name).map(|(_, limits)| *limits);
    if known.is_none() && named.len() >= NAMES_MAX {
        let hint = "use one name for those that are alike";
        return Err(Reason::new(format!("there are more than {NAMES_MAX} names"), hint));
    }
    let (general, mut scratch) = (*general, config.clone());
    *places(&mut scratch).0 = known.unwrap_or(general);
    let outcome = found.setting.set(&mut scratch, &found.text);
    let limits = *places(&mut scratch).0;
    let (_, named) = places(config);
    match named.iter_mut().find(|(known, _)| known == name) {
        Some((_, place)) => *place = limits,
        None => named.push((name.to_owned(), limits)),
    }
    outcome
}

/// A setting under a name, as it would be typed.
pub(super) struct Row {
    /// `downstream."api.example.com"`
    pub(super) table: String,
    pub(super) key: &'static str,
    pub(super) value: String,
}

/// All settings of all names.
pub(super) fn rows(config: &Config) -> impl Iterator<Item = Row> + '_ {
    let downstream = config.downstream.named.iter().flat_map(|(name, limits)| {
        let mut with = Config::default();
        with.downstream.default = *limits;
        rows_of(Kind::Origins, name, with)
    });
    let pools = config.pools.named.iter().flat_map(|(name, limits)| {
        let mut with = Config::default();
        with.pools.default = *limits;
        rows_of(Kind::Servers, name, with)
    });
    downstream.chain(pools)
}

fn rows_of(kind: Kind, name: &str, with: Config) -> impl Iterator<Item = Row> + '_ {
    let [origins, servers] = TABLES;
    let table = match kind {
        Kind::Origins => origins,
        Kind::Servers => servers,
    };
    let settings = settings::all().filter(move |setting| {
        setting.key().strip_prefix(table.general).is_some_and(|rest| rest.starts_with('.'))
    });
    settings.map(move |setting| Row {
        table: format!("{}.\"{name}\"", table.name),
        key: setting.key().rsplit_once('.').map_or("", |(_, key)| key),
        value: setting.get(&with),
    })
}
