//! Numbers as people say them.

use super::damage::{Damage, Whose};
use crate::concerns::words::duration;
pub(super) use crate::concerns::words::{counted, milliseconds};

pub(super) fn ms(ms: u64) -> String {
    duration(u32::try_from(ms).unwrap_or(u32::MAX))
}

pub(super) fn percent(part: f64, whole: f64) -> String {
    let percent = if whole > 0.0 { part * 100.0 / whole } else { 0.0 };
    if percent < 10.0 { format!("{percent:.1} %") } else { format!("{percent:.0} %") }
}

pub(super) fn per_second(count: u64, seconds: f64) -> String {
    let rate = super::as_f64(count) / seconds;
    if rate < 10.0 { format!("{rate:.1}/s") } else { format!("{rate:.0}/s") }
}

/// `clients wait 820 ms of every second for it, 64 % of all their waiting`
pub(super) fn cost(damage: &Damage, per_second: f64, share: Option<f64>) -> Option<String> {
    if per_second <= 0.0 {
        return None;
    }
    let mut text = String::new();
    if damage.failed > 0 {
        text = format!("{} failed", counted(damage.failed, "request"));
    }
    if damage.waited_ms > 0 {
        let join = if text.is_empty() { "" } else { "; " };
        let time = milliseconds(per_second);
        text += &match (damage.whose, share.filter(|_| damage.failed == 0)) {
            (Whose::Service, _) => format!("{join}calls stand in line there for {time} in every second"),
            (_, None) => format!("{join}clients wait {time} in every second for it"),
            (Whose::Clients, Some(share)) => {
                format!(
                    "{join}clients wait {time} in every second for it, {} of all their waiting",
                    percent(share, 1.0)
                )
            }
            (Whose::Loop, Some(share)) => {
                format!(
                    "{join}{time} of every second go there while clients wait, {} of all their waiting",
                    percent(share, 1.0)
                )
            }
        };
    }
    Some(text)
}
