//! What a row of the table of settings is, with the type of its value and without.

use super::form::{Form, Reason};
use super::resolved::Config;

/// How a setting is typed on the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlagDefinition {
    None,
    /// `--name VALUE`
    Value {
        long: &'static str,
        value_name: &'static str,
    },
    /// `--name`, which means the given value.
    Switch {
        long: &'static str,
        means: &'static str,
    },
}

/// One row of the table, with the type of its value.
pub(super) struct Setting<F: Form> {
    pub(super) key: &'static str,
    pub(super) form: F,
    pub(super) place: fn(&mut Config) -> &mut F::Value,
    pub(super) flag: FlagDefinition,
    pub(super) default: Default,
    pub(super) doc: &'static str,
}

/// What the reference page says of the default.
pub(super) enum Default {
    /// The value in `Config::default`.
    Value,
    /// It depends on the machine or on the environment.
    Depends(&'static str),
}

/// One row of the table, whatever its type.
pub(super) trait Definition: Sync {
    fn key(&self) -> &'static str;
    fn flag(&self) -> FlagDefinition;
    fn doc(&self) -> &'static str;
    fn describe(&self) -> String;
    fn describe_default(&self) -> String;
    fn is_tables(&self) -> bool;
    fn set(&self, config: &mut Config, text: &str) -> Result<(), Reason>;
    fn get(&self, config: &Config) -> String;

    /// `gateway.idle_timeout` is `PLIMSOLL_GATEWAY_IDLE_TIMEOUT`.
    fn variable(&self) -> String {
        format!("PLIMSOLL_{}", self.key().replace('.', "_").to_ascii_uppercase())
    }
}

impl<F: Form + Sync> Definition for Setting<F> {
    fn key(&self) -> &'static str {
        self.key
    }

    fn flag(&self) -> FlagDefinition {
        self.flag
    }

    fn doc(&self) -> &'static str {
        self.doc
    }

    fn describe(&self) -> String {
        self.form.describe()
    }

    fn describe_default(&self) -> String {
        match self.default {
            Default::Value => format!("`{}`", self.get(&Config::default())),
            Default::Depends(text) => text.to_owned(),
        }
    }

    fn is_tables(&self) -> bool {
        self.form.is_tables()
    }

    fn set(&self, config: &mut Config, text: &str) -> Result<(), Reason> {
        *(self.place)(config) = self.form.read(text)?;
        Ok(())
    }

    fn get(&self, config: &Config) -> String {
        // The one place function gives a mutable place; a copy is cheaper than a second function per row.
        self.form.write((self.place)(&mut config.clone()))
    }
}
