//! Which body follows a head: RFC 9112 §6, with every choice it leaves open decided for refusal.

/// How the end of a body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    None,
    Length(u64),
    Chunked,
    /// A response that ends with its connection.
    UntilClose,
}

/// Why the framing headers are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("content-length is not a plain number")]
    Length,
    #[error("content-length is given twice")]
    LengthTwice,
    #[error("both content-length and transfer-encoding are given")]
    LengthAndCoding,
    #[error("transfer-encoding does not end with one chunked")]
    Coding,
    #[error("transfer-encoding is given twice")]
    CodingTwice,
    #[error("transfer-encoding in HTTP/1.0")]
    CodingInHttp10,
    #[error("an interim answer announces a body")]
    BodyInInterim,
}

/// The framing headers of one head, collected while its headers are walked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields {
    length: Option<u64>,
    coding: Option<Coding>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Coding {
    ChunkedLast,
    Other,
}

impl Fields {
    /// # Errors
    /// Not digits only, too large for 64 bits, or a second one (also an equal one: Node refuses it too).
    pub fn content_length(&mut self, value: &[u8]) -> Result<(), Error> {
        let digits = !value.is_empty() && value.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(value).ok().filter(|_| digits).ok_or(Error::Length)?;
        let length = text.parse().map_err(|_| Error::Length)?;
        if self.length.replace(length).is_some() {
            return Err(Error::LengthTwice);
        }
        Ok(())
    }

    /// # Errors
    /// A second one, or `chunked` anywhere but once at the end.
    pub fn transfer_encoding(&mut self, value: &[u8]) -> Result<(), Error> {
        // An empty element is legal in a list, and a tab is a blank; llhttp sees no `chunked` beside either.
        if value.contains(&b'\t') {
            return Err(Error::Coding);
        }
        let mut last = false;
        for coding in value.split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
            if last || coding.is_empty() {
                return Err(Error::Coding);
            }
            last = coding.eq_ignore_ascii_case(b"chunked");
        }
        let coding = if last { Coding::ChunkedLast } else { Coding::Other };
        if self.coding.replace(coding).is_some() {
            return Err(Error::CodingTwice);
        }
        Ok(())
    }

    /// The body of a request.
    ///
    /// # Errors
    /// Anything that another parser might read otherwise.
    pub fn of_request(self, is_http10: bool) -> Result<Framing, Error> {
        match (self.length, self.coding) {
            (Some(_), Some(_)) => Err(Error::LengthAndCoding),
            (None, Some(_)) if is_http10 => Err(Error::CodingInHttp10),
            (None, Some(Coding::Other)) => Err(Error::Coding),
            (None, Some(Coding::ChunkedLast)) => Ok(Framing::Chunked),
            (Some(0) | None, None) => Ok(Framing::None),
            (Some(length), None) => Ok(Framing::Length(length)),
        }
    }

    #[must_use]
    pub fn announces_body(&self) -> bool {
        self.coding.is_some() || self.length.is_some()
    }

    /// The body of a response; `bodiless` for HEAD, 1xx, 204 and 304.
    ///
    /// # Errors
    /// Both headers at once: a client might believe the other one.
    pub fn of_response(self, bodiless: bool) -> Result<Framing, Error> {
        match (self.length, self.coding) {
            (Some(_), Some(_)) => Err(Error::LengthAndCoding),
            _ if bodiless => Ok(Framing::None),
            (None, Some(Coding::ChunkedLast)) => Ok(Framing::Chunked),
            (None, Some(Coding::Other) | None) => Ok(Framing::UntilClose),
            (Some(0), None) => Ok(Framing::None),
            (Some(length), None) => Ok(Framing::Length(length)),
        }
    }
}
