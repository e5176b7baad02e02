//! The chunked coding (RFC 9112 §7.1), followed without being undone: chunks, extensions and trailers pass
//! through as they came, and only their end is found.
//!
//! Strict where leniency has let requests be smuggled: CRLF only, no blanks around the size, hexadecimal
//! digits only, the size must fit 63 bits, extensions and trailers are bounded, trailer lines are not folded.

use super::head::is_token;

/// Most bytes of extensions on one chunk.
pub const EXTENSION_MAX: u32 = 4 * 1024;
/// Most bytes of extensions in one message; Node's own limit.
pub const EXTENSIONS_MAX: u32 = 16 * 1024;
/// Most bytes of trailers; Node's default for a whole head.
pub const TRAILERS_MAX: u32 = 16 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("a chunk size is not hexadecimal digits")]
    Size,
    #[error("a chunk size is too large")]
    SizeTooLarge,
    #[error("a chunk extension is malformed")]
    Extension,
    #[error("chunk extensions are too long")]
    ExtensionTooLong,
    #[error("a chunk does not end with CRLF")]
    ChunkEnd,
    #[error("a trailer is malformed")]
    Trailer,
    #[error("a trailer bears the name of a framing header")]
    TrailerFraming,
    #[error("trailers are too long")]
    TrailersTooLong,
}

/// Where in the coding the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    SizeFirst,
    Size,
    Extension { quoted: Quoted },
    SizeLineFeed,
    Data,
    DataCarriageReturn,
    DataLineFeed,
    TrailerFirst,
    TrailerName,
    TrailerValue,
    TrailerLineFeed,
    EndLineFeed,
    Done,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoted {
    No,
    Yes,
    Escape,
}

/// Follows one chunked body, over as many calls as its bytes come in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chunked {
    state: State,
    /// Size being read, then data bytes left of the chunk.
    size: u64,
    /// Data bytes seen so far, without what the coding adds.
    data: u64,
    extension: u32,
    extensions: u32,
    trailers: u32,
    name: Name,
}

/// The beginning of a trailer's name, as much as is needed to know the forbidden ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Name {
    bytes: [u8; "transfer-encoding".len()],
    length: usize,
}

impl Name {
    const EMPTY: Self = Self { bytes: [0; "transfer-encoding".len()], length: 0 };

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte.to_ascii_lowercase();
        }
        self.length += 1;
    }

    /// RFC 9110 §6.5.1 forbids these, and Node 18 takes a content-length there for that of the next message.
    fn is_framing(&self) -> bool {
        let name = self.bytes.get(..self.length).unwrap_or_default();
        name == b"content-length" || name == b"transfer-encoding"
    }
}

impl Default for Chunked {
    fn default() -> Self {
        Self {
            state: State::SizeFirst,
            size: 0,
            data: 0,
            extension: 0,
            extensions: 0,
            trailers: 0,
            name: Name::EMPTY,
        }
    }
}

impl Chunked {
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.state == State::Done
    }

    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        self.data
    }

    /// How many of `bytes` belong to this body: all of them, unless it ends among them.
    ///
    /// # Errors
    /// The coding is broken; nothing after that can be trusted.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let mut at = 0;
        while let Some(&byte) = bytes.get(at) {
            match self.state {
                State::Done => break,
                State::Data => {
                    let here = (bytes.len() - at) as u64;
                    let taken = here.min(self.size);
                    self.size -= taken;
                    self.data += taken;
                    at += usize::try_from(taken).unwrap_or(usize::MAX);
                    if self.size == 0 {
                        self.state = State::DataCarriageReturn;
                    }
                    continue;
                }
                _ => self.state = self.step(byte)?,
            }
            at += 1;
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<State, Error> {
        match (self.state, byte) {
            (State::SizeFirst, _) => {
                self.size = 0;
                self.extension = 0;
                self.digit(byte)
            }
            (State::Size, b';') => self.extension_byte(Quoted::No),
            (State::Size | State::Extension { quoted: Quoted::No }, b'\r') => Ok(State::SizeLineFeed),
            (State::Size, _) => self.digit(byte),
            (State::Extension { quoted }, _) => self.extension_byte(next_quoted(quoted, byte)?),
            (State::SizeLineFeed, b'\n') if self.size == 0 => Ok(State::TrailerFirst),
            (State::SizeLineFeed, b'\n') => Ok(State::Data),
            (State::SizeLineFeed, _) => Err(Error::Size),
            (State::DataCarriageReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(State::SizeFirst),
            (State::DataCarriageReturn | State::DataLineFeed, _) => Err(Error::ChunkEnd),
            _ => self.trailer(byte),
        }
    }

    fn digit(&mut self, byte: u8) -> Result<State, Error> {
        let digit = char::from(byte).to_digit(16).ok_or(Error::Size)?;
        if self.size >> 59 != 0 {
            return Err(Error::SizeTooLarge);
        }
        self.size = self.size << 4 | u64::from(digit);
        Ok(State::Size)
    }

    fn extension_byte(&mut self, quoted: Quoted) -> Result<State, Error> {
        self.extension += 1;
        self.extensions += 1;
        if self.extension > EXTENSION_MAX || self.extensions > EXTENSIONS_MAX {
            return Err(Error::ExtensionTooLong);
        }
        Ok(State::Extension { quoted })
    }

    fn trailer(&mut self, byte: u8) -> Result<State, Error> {
        self.trailers += 1;
        if self.trailers > TRAILERS_MAX {
            return Err(Error::TrailersTooLong);
        }
        match (self.state, byte) {
            (State::TrailerFirst, b'\r') => Ok(State::EndLineFeed),
            (State::EndLineFeed, b'\n') => Ok(State::Done),
            (State::TrailerName, b':') if self.name.is_framing() => Err(Error::TrailerFraming),
            (State::TrailerName, b':') => Ok(State::TrailerValue),
            (State::TrailerFirst | State::TrailerName, _) if is_token(byte) => {
                if self.state == State::TrailerFirst {
                    self.name = Name::EMPTY;
                }
                self.name.push(byte);
                Ok(State::TrailerName)
            }
            (State::TrailerValue, b'\r') => Ok(State::TrailerLineFeed),
            (State::TrailerLineFeed, b'\n') => Ok(State::TrailerFirst),
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => Ok(State::TrailerValue),
            _ => Err(Error::Trailer),
        }
    }
}

/// A quoted string may hold what a bare extension may not; a line feed is never part of either.
fn next_quoted(quoted: Quoted, byte: u8) -> Result<Quoted, Error> {
    match (quoted, byte) {
        (_, 0..=8 | 10..=31 | 127) => Err(Error::Extension),
        (Quoted::No, b'"') => Ok(Quoted::Yes),
        (Quoted::Yes, b'"') => Ok(Quoted::No),
        (Quoted::Yes, b'\\') => Ok(Quoted::Escape),
        (Quoted::Escape, _) => Ok(Quoted::Yes),
        (same, _) => Ok(same),
    }
}
