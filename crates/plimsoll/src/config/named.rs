//! Settings under a name that the user chooses: `[downstream."api.example.com"]`. They are those of
//! `[downstream.default]`, and begin with its values.

use super::definition::Definition;
use super::form::Reason;
use super::load::Found;
use super::resolved::{Config, DownstreamLimits};
use super::settings;

/// Where the table of such names stands.
const TABLE: &str = "downstream";
/// What holds for every name that is not given.
pub(super) const DEFAULT: &str = "downstream.default";
const NAMES_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 253 + "https://*.:65535".len();

pub(super) fn may_stand_in(prefix: &str) -> bool {
    prefix == TABLE
}

pub(super) fn find(name: &str) -> Option<&'static dyn Definition> {
    settings::find(&format!("{DEFAULT}.{name}"))
}

/// As it stands in the file: `downstream."api.example.com".rate`.
pub(super) fn key(under: &str, setting: &dyn Definition) -> String {
    format!("{TABLE}.\"{under}\".{}", setting.key().trim_start_matches(DEFAULT).trim_start_matches('.'))
}

/// A host, `*.` and a domain, either with a port or a scheme.
pub(super) fn check(name: &str) -> Result<(), Reason> {
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

/// Sets one key under a name.
pub(super) fn set(config: &mut Config, name: &str, found: &Found) -> Result<(), Reason> {
    let index = place(config, name)?;
    let mut scratch = config.clone();
    if let Some((_, limits)) = config.downstream.named.get(index) {
        scratch.downstream.default = *limits;
    }
    found.setting.set(&mut scratch, &found.text)?;
    if let Some((_, limits)) = config.downstream.named.get_mut(index) {
        *limits = scratch.downstream.default;
    }
    Ok(())
}

fn place(config: &mut Config, name: &str) -> Result<usize, Reason> {
    let named = &mut config.downstream.named;
    if let Some(index) = named.iter().position(|(known, _)| known == name) {
        return Ok(index);
    }
    if named.len() >= NAMES_MAX {
        let hint = "use a name with `*.` for those that are alike";
        return Err(Reason::new(format!("there are more than {NAMES_MAX} origins"), hint));
    }
    named.push((name.to_owned(), config.downstream.default));
    Ok(named.len() - 1)
}

/// All settings of all names, as they would be typed: name, key and value.
pub(super) fn rows(config: &Config) -> impl Iterator<Item = (&str, &'static str, String)> {
    let settings = || settings::all().filter(|setting| setting.key().starts_with(DEFAULT));
    config.downstream.named.iter().flat_map(move |(name, limits)| {
        settings().map(move |setting| {
            let key = setting.key().rsplit_once('.').map_or("", |(_, key)| key);
            (name.as_str(), key, setting.get(&with(*limits)))
        })
    })
}

fn with(limits: DownstreamLimits) -> Config {
    let mut config = Config::default();
    config.downstream.default = limits;
    config
}
