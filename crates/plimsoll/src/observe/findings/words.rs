//! Numbers as people say them.

use super::damage::{Damage, Whose};
use crate::concerns::event_loop::incident::words::duration;

pub(super) fn counted(number: u64, noun: &str) -> String {
    match noun.strip_suffix("ry") {
        _ if number == 1 => format!("1 {noun}"),
        Some(stem) => format!("{} {stem}ries", grouped(number)),
        None => format!("{} {noun}s", grouped(number)),
    }
}

/// `12,345`
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

pub(super) fn ms(ms: u64) -> String {
    duration(u32::try_from(ms).unwrap_or(u32::MAX))
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is bounded before")]
pub(super) fn ms_f(of: f64) -> String {
    if of < 10.0 { format!("{of:.1} ms") } else { ms(of.clamp(0.0, 1e9).round() as u64) }
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
        let time = ms_f(per_second);
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
