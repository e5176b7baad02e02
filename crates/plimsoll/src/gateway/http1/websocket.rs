//! Follows WebSocket frames (RFC 6455 §5.2) to know where one ends: only there can the gateway say goodbye.

/// Base header, extended length, masking key.
const HEADER_MAX: usize = 2 + 8 + 4;

/// Close, final, no mask, two bytes of payload: 1001, "going away" (RFC 6455 §7.4.1).
pub const GOING_AWAY: [u8; 4] = [0x88, 0x02, 0x03, 0xE9];

/// Progress through the frames of one direction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Frames {
    header: [u8; HEADER_MAX],
    /// Bytes of the header that are there.
    have: usize,
    /// Bytes of the payload that are still to come.
    left: u64,
}

impl Frames {
    /// Nothing of a frame is under way.
    #[must_use]
    pub fn at_boundary(&self) -> bool {
        self.have == 0 && self.left == 0
    }

    pub fn advance(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.left > 0 {
                let taken = usize::try_from(self.left).unwrap_or(usize::MAX).min(bytes.len());
                self.left -= taken as u64;
                bytes = bytes.get(taken..).unwrap_or_default();
                continue;
            }
            if let Some(place) = self.header.get_mut(self.have) {
                *place = byte;
            }
            self.have += 1;
            bytes = rest;
            if self.have == self.header_len() {
                self.left = self.payload_len();
                self.have = 0;
            }
        }
    }

    fn extended(&self) -> usize {
        match self.header[1] & 0x7F {
            126 => 2,
            127 => 8,
            _ => 0,
        }
    }

    /// Of what is known so far; never less than the two bytes that tell.
    fn header_len(&self) -> usize {
        if self.have < 2 {
            return 2;
        }
        let mask = if self.header[1] & 0x80 == 0 { 0 } else { 4 };
        2 + self.extended() + mask
    }

    fn payload_len(&self) -> u64 {
        let extended = self.header.get(2..2 + self.extended()).unwrap_or_default();
        match extended {
            [] => u64::from(self.header[1] & 0x7F),
            bytes => bytes.iter().fold(0, |length, &byte| length << 8 | u64::from(byte)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_end_of_every_frame() {
        let long = [&[0x82, 126, 1, 0][..], &[7; 256]].concat();
        let longest = [&[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0][..], &[7; 65536]].concat();
        let cases: &[&[u8]] = &[
            &[0x81, 0],
            &[0x81, 2, b'h', b'i'],
            &[0x81, 0x82, 1, 2, 3, 4, b'h', b'i'],
            &[0x89, 0x80, 1, 2, 3, 4],
            &GOING_AWAY,
            &long,
            &longest,
        ];
        for frame in cases {
            for cut in (0..frame.len()).take(300) {
                let mut frames = Frames::default();
                frames.advance(&frame[..cut]);
                assert_eq!(frames.at_boundary(), cut == 0, "cut at {cut} of {:?}", &frame[..2]);
                frames.advance(&frame[cut..]);
                assert!(frames.at_boundary());
                frames.advance(frame);
                assert!(frames.at_boundary(), "a second one");
            }
        }
    }
}
