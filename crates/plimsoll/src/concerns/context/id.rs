//! Ids of requests, as `x-request-id` has them.

/// A longer one is replaced. What logs and databases have room for, twice over.
pub const LENGTH_MAX: usize = 128;

/// May a client's id go on into logs, headers and other programs? Letters, digits, and what ids are made of; nothing that
/// ends a line, a field or a string.
#[must_use]
pub fn is_proper(id: &[u8]) -> bool {
    let fits = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.~:/+=@|#".contains(byte);
    (1..=LENGTH_MAX).contains(&id.len()) && id.iter().all(fits)
}

/// Appends a UUID of version 7 (RFC 9562): they sort by the time at which they were made.
pub fn push_uuid(unix_ms: u64, random: u128, text: &mut Vec<u8>) {
    const RANDOM: u128 = 0x0fff_3fff_ffff_ffff_ffff;
    const VERSION_AND_VARIANT: u128 = 0x7000_8000_0000_0000_0000;
    let time = u128::from(unix_ms & 0xffff_ffff_ffff) << 80;
    let bytes = (time | (random & RANDOM) | VERSION_AND_VARIANT).to_be_bytes();
    let (mut rest, mut dash) = (&bytes[..], "");
    for length in [4, 2, 2, 2, 6] {
        let (part, after) = rest.split_at_checked(length).unwrap_or_default();
        text.extend_from_slice(dash.as_bytes());
        super::push_hex(part, text);
        (rest, dash) = (after, "-");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_of_the_clients_is_proper_or_replaced() {
        let long = "x".repeat(LENGTH_MAX);
        let too_long = "x".repeat(LENGTH_MAX + 1);
        for id in ["a", "7f3c-1", "01890a5d-ac96-774b-bcce-b302099a8057", "Root=1-67891233-abcdef", &long] {
            assert!(is_proper(id.as_bytes()), "{id}");
        }
        for id in ["", &too_long, "a b", "a,b", "a\"b", "a\\b", "a;b", "<a>", "é", "a\tb", "a\r\nb", "{{7}}"]
        {
            assert!(!is_proper(id.as_bytes()), "{id}");
        }
    }

    #[test]
    fn a_uuid_has_its_time_its_version_and_its_variant() {
        let text = |random| {
            let mut text = Vec::new();
            push_uuid(0x0189_0a5d_ac96, random, &mut text);
            String::from_utf8(text).unwrap()
        };
        assert_eq!(text(0), "01890a5d-ac96-7000-8000-000000000000");
        assert_eq!(text(u128::MAX), "01890a5d-ac96-7fff-bfff-ffffffffffff");
        assert!(is_proper(text(12345).as_bytes()));
    }
}
