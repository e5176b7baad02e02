//! How many lines one line stands for, and how that is written into it.

use bytes::Bytes;

use crate::concerns::logs::record::{Record, Shape};

/// The field of a JSON line that was sampled.
const FIELD: &[u8] = b"\"plimsoll_weight\":";

/// Over so many lines that stay, the difference between lines and weights is made good.
const MADE_GOOD_OVER: f64 = 1000.0;

/// Weights add up to the number of lines, and not only in the mean: which requests are chosen is chance, and of two
/// hundred a second their number alone would be off by some percent. So what came and is not stood for yet is added
/// to the weights of those chosen next. One in 3.3 cannot be written as a whole number: what is left over is carried
/// to the next.
#[derive(Debug, Default)]
pub(super) struct Weights {
    /// Of lines of no request, and of requests.
    carried: [f64; 2],
    due: f64,
    /// Lines of requests that came, without those that weights stand for.
    owed: f64,
}

impl Weights {
    /// A line of a request has come.
    pub(super) fn see(&mut self) {
        self.owed += 1.0;
    }

    /// A line of a request stays, with this weight.
    pub(super) fn stand_for(&mut self, weight: u32) {
        self.owed -= f64::from(weight);
    }

    /// All stay: there is nobody left to stand for those that went.
    pub(super) fn settle(&mut self) {
        self.owed = 0.0;
    }

    /// The weight of each line of a request that was chosen with this share.
    pub(super) fn of_request(&mut self, share: f64) -> u32 {
        let usual = 1.0 / share;
        let weight = usual + self.owed / MADE_GOOD_OVER;
        let [_, carried] = &mut self.carried;
        whole(weight.clamp(usual / 2.0, usual * 2.0), carried)
    }

    /// The weight of the next line that belongs to no request; 0: it goes. Evenly, not by chance.
    pub(super) fn of_next(&mut self, share: f64) -> u32 {
        if share >= 1.0 {
            return 1;
        }
        self.due += share;
        if self.due < 1.0 {
            return 0;
        }
        self.due -= 1.0;
        let [carried, _] = &mut self.carried;
        whole(1.0 / share, carried)
    }
}

/// As a whole number; what is left over is carried to the next.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is at least SHARE_MIN or the least that can be set, and at most 1"
)]
fn whole(weight: f64, carried: &mut f64) -> u32 {
    let exact = weight + *carried;
    let whole = exact.floor().max(1.0);
    *carried = exact - whole;
    whole as u32
}

/// The record with its own copy of the line, and the weight noted.
pub(super) fn detach(mut record: Record, weight: u32) -> Record {
    let line = match (weight, record.shape) {
        (2.., Shape::Json) => with_field(&record.line, weight),
        _ => None,
    };
    record.weight = weight;
    match line {
        // It is of its own already.
        Some(line) => {
            record.line = line;
            record
        }
        None => record.detached(),
    }
}

/// The JSON object with one more member.
fn with_field(line: &[u8], weight: u32) -> Option<Bytes> {
    let (inside, rest) = line.split_at_checked(line.iter().rposition(|byte| *byte == b'}')?)?;
    let is_empty = inside.trim_ascii_end().ends_with(b"{");
    let comma: &[u8] = if is_empty { b"" } else { b"," };
    Some([inside, comma, FIELD, weight.to_string().as_bytes(), rest].concat().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_weight_is_written_as_a_member() {
        let table = [
            (r#"{"a":1}"#, r#"{"a":1,"plimsoll_weight":50}"#),
            ("{}", r#"{"plimsoll_weight":50}"#),
            ("{ \"a\":{} } \r", "{ \"a\":{} ,\"plimsoll_weight\":50} \r"),
        ];
        for (line, expected) in table {
            assert_eq!(with_field(line.as_bytes(), 50).unwrap(), expected);
        }
    }

    #[test]
    fn weights_add_up_whatever_the_share() {
        for share in [0.9, 0.6, 0.3, 0.07, 0.02] {
            let mut weights = Weights::default();
            let sum: u32 = (0..100_000).map(|_| weights.of_next(share)).sum();
            assert!((98_000..=102_000).contains(&sum), "{share}: {sum}");
        }
    }
}
