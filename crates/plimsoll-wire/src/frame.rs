//! The frame of the agent's channel: a kind and a list of short byte strings.
//!
//! ```text
//! u32 LE  length of what follows (kind and fields), at most LENGTH_MAX
//! u8      kind
//! then per field:  u16 LE length, bytes
//! ```
//!
//! There is nothing clever here on purpose: the same twenty lines exist in JavaScript.

/// Largest length word that is believed; a larger one is a protocol error, not an allocation.
pub const LENGTH_MAX: usize = 64 * 1024;

/// Why bytes are not a frame. The channel is closed on any of these: there is no way to find the next frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    /// The length word is zero or over [`LENGTH_MAX`].
    Length(usize),
    /// A field runs over the end of its frame.
    Field,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Length(length) => write!(f, "frame length {length} is not between 1 and {LENGTH_MAX}"),
            Self::Field => write!(f, "a field runs over the end of its frame"),
        }
    }
}

impl std::error::Error for Error {}

/// One frame, borrowed from the bytes it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame<'a> {
    pub kind: u8,
    pub fields: Vec<&'a [u8]>,
}

impl<'a> Frame<'a> {
    /// Reads the first frame of `bytes`: the frame and how many bytes it took, or `None` while it is not
    /// complete.
    ///
    /// # Errors
    /// The bytes can never become a frame.
    pub fn read(bytes: &'a [u8]) -> Result<Option<(Self, usize)>, Error> {
        let Some((word, rest)) = bytes.split_first_chunk::<4>() else { return Ok(None) };
        let length = u32::from_le_bytes(*word) as usize;
        if length == 0 || length > LENGTH_MAX {
            return Err(Error::Length(length));
        }
        let Some(body) = rest.get(..length) else { return Ok(None) };
        let Some((&kind, mut rest)) = body.split_first() else { return Ok(None) };
        let mut fields = Vec::new();
        while !rest.is_empty() {
            let (word, after) = rest.split_first_chunk::<2>().ok_or(Error::Field)?;
            let (field, after) =
                after.split_at_checked(u16::from_le_bytes(*word) as usize).ok_or(Error::Field)?;
            fields.push(field);
            rest = after;
        }
        Ok(Some((Self { kind, fields }, 4 + length)))
    }
}

/// Writes one frame. A field is cut at 65,535 bytes, which no message comes near.
#[must_use]
pub fn write(kind: u8, fields: &[&[u8]]) -> Vec<u8> {
    let mut body = vec![kind];
    for field in fields {
        let length = u16::try_from(field.len()).unwrap_or(u16::MAX);
        body.extend_from_slice(&length.to_le_bytes());
        body.extend(field.iter().take(length as usize));
    }
    let mut bytes = u32::try_from(body.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
    bytes.append(&mut body);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        for fields in [vec![], vec![&b""[..]], vec![b"a", b"", b"1234567890"]] {
            let bytes = write(7, &fields);
            let (frame, used) = Frame::read(&bytes).unwrap().unwrap();
            assert_eq!((frame.kind, &frame.fields, used), (7, &fields, bytes.len()));
            for cut in 0..bytes.len() {
                assert_eq!(Frame::read(&bytes[..cut]), Ok(None), "cut at {cut}");
            }
        }
    }

    #[test]
    fn refuses_what_can_never_become_a_frame() {
        assert_eq!(Frame::read(&[0, 0, 0, 0]), Err(Error::Length(0)));
        assert_eq!(Frame::read(&[1, 0, 1, 0]), Err(Error::Length(LENGTH_MAX + 1)));
        assert_eq!(Frame::read(&[4, 0, 0, 0, 1, 9, 0, 1]), Err(Error::Field));
        assert_eq!(Frame::read(&[2, 0, 0, 0, 1, 9]), Err(Error::Field));
    }
}
