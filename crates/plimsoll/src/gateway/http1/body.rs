//! Follows a body of any framing: how many of these bytes belong to this message?

use super::chunked::{self, Chunked};
use super::framing::Framing;
use super::websocket::Frames;

/// Progress through one body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    Length(u64),
    Chunked(Chunked),
    UntilClose,
    /// As `UntilClose`, in frames whose ends are known.
    WebSocket(Frames),
}

impl From<Framing> for Body {
    fn from(framing: Framing) -> Self {
        match framing {
            Framing::None => Self::Length(0),
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => Self::Chunked(Chunked::default()),
            Framing::UntilClose => Self::UntilClose,
        }
    }
}

impl Body {
    #[must_use]
    pub fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunked) => chunked.is_done(),
            Self::UntilClose | Self::WebSocket(_) => false,
        }
    }

    /// Data bytes seen so far, where the head did not say how many there would be.
    #[must_use]
    pub fn data_bytes(&self) -> u64 {
        match self {
            Self::Chunked(chunked) => chunked.data_bytes(),
            Self::Length(_) | Self::UntilClose | Self::WebSocket(_) => 0,
        }
    }

    /// How many of `bytes` belong to this body.
    ///
    /// # Errors
    /// The chunked coding is broken.
    pub fn advance(&mut self, bytes: &[u8]) -> Result<usize, chunked::Error> {
        match self {
            Self::Length(left) => {
                let taken = (bytes.len() as u64).min(*left);
                *left -= taken;
                Ok(usize::try_from(taken).unwrap_or(bytes.len()))
            }
            Self::Chunked(chunked) => chunked.advance(bytes),
            Self::UntilClose => Ok(bytes.len()),
            Self::WebSocket(frames) => {
                frames.advance(bytes);
                Ok(bytes.len())
            }
        }
    }
}
