//! The setting of `context` that changes what promises cost.

use crate::config::definition::{Default, Definition, FlagDefinition, Setting};
use crate::config::form::Choice;

pub(super) static SETTINGS: &[&dyn Definition] = &[&Setting {
    key: "context.async_context_frame",
    form: Choice(&[("true", true), ("false", false)]),
    place: |config| &mut config.context_frame,
    flag: FlagDefinition::None,
    default: Default::Value,
    doc: "Starts workers with `--experimental-async-context-frame` where they run Node 22.7 to 23: with it `AsyncLocalStorage` \
          makes no promise dearer, as from Node 24 on. Other versions do not know the flag and are not given it. Set it \
          where `plimsoll doctor` says that the tax is worth it, after the app's tests have passed with it.",
}];
