//! What two lines have in common that were written in the same place: the message without what differs each time.

/// What comes later in a message does not tell places apart.
const BYTES_MAX: usize = 512;
const PRIME: u64 = 0x9E37_79B9_7F4A_7C15;

/// A hash of the message, with words that hold a digit (numbers, hexadecimal ids, addresses) and everything in quotes
/// left out.
pub(in crate::concerns::logs) fn fingerprint(message: &[u8]) -> u64 {
    let message = message.get(..BYTES_MAX).unwrap_or(message);
    let mut state = Mixed(PRIME);
    let mut at = 0;
    while let Some(&byte) = message.get(at) {
        let rest = message.get(at..).unwrap_or_default();
        if byte.is_ascii_alphanumeric() {
            let word = rest.iter().position(|byte| !byte.is_ascii_alphanumeric()).unwrap_or(rest.len());
            let word = rest.get(..word).unwrap_or_default();
            if word.iter().any(u8::is_ascii_digit) {
                state.mix(b'#')
            } else {
                word.iter().for_each(|byte| state.mix(*byte))
            }
            at += word.len();
            // An apostrophe within a word opens no quotation.
            at += usize::from(message.get(at) == Some(&b'\''));
        } else if matches!(byte, b'"' | b'\'' | b'`') {
            let end = rest.iter().skip(1).position(|other| *other == byte);
            state.mix(b'"');
            at += end.map_or(1, |length| length + 2);
        } else {
            state.mix(byte);
            at += 1;
        }
    }
    state.end()
}

/// A hash of bytes that differ in little, spread over all 64 bits.
pub(in crate::concerns::logs) fn hash(bytes: &[u8]) -> u64 {
    let mut state = Mixed(PRIME ^ bytes.len() as u64);
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().for_each(|word| state.mix_word(u64::from_le_bytes(*word)));
    rest.iter().for_each(|byte| state.mix(*byte));
    state.end()
}

struct Mixed(u64);

impl Mixed {
    fn mix(&mut self, byte: u8) {
        self.0 = (self.0.rotate_left(5) ^ u64::from(byte)).wrapping_mul(PRIME);
    }

    /// What differs in the high bits alone must reach the low ones as well.
    fn mix_word(&mut self, word: u64) {
        let mixed = (self.0 ^ word).wrapping_mul(PRIME);
        self.0 = mixed ^ (mixed >> 32);
    }

    /// The last bytes have not reached the low bits yet.
    fn end(self) -> u64 {
        let mixed = (self.0 ^ (self.0 >> 32)).wrapping_mul(PRIME);
        mixed ^ (mixed >> 29)
    }
}
