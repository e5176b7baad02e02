//! The header lines of a head that tell which request it is, and who asked.

/// Longer ones are not read as ids.
const ID_BYTES_MAX: usize = 128;

/// Slices of the head.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    /// The first line.
    pub line: &'a [u8],
    pub request: Option<&'a [u8]>,
    pub traceparent: Option<&'a [u8]>,
    pub user_agent: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    pub forwarded_for: Option<&'a [u8]>,
}

impl<'a> Fields<'a> {
    /// Reads up to the empty line, or as far as there is something. Any bytes will do.
    #[must_use]
    pub fn read(head: &'a [u8]) -> Self {
        let (line, mut rest) = first_line(head);
        let mut fields = Self { line: line.trim_ascii_end(), ..Self::default() };
        while !rest.is_empty() {
            let line;
            (line, rest) = first_line(rest);
            let Some(colon) = memchr::memchr(b':', line) else {
                // The body may look like headers.
                if line.trim_ascii().is_empty() {
                    break;
                }
                continue;
            };
            let (name, value) = line.split_at(colon);
            fields.note(name, value.get(1..).unwrap_or_default());
        }
        fields
    }

    fn note(&mut self, name: &[u8], value: &'a [u8]) {
        // Most header lines are of another length.
        let place = match name.len() {
            7 if name.eq_ignore_ascii_case(b"referer") => &mut self.referer,
            10 if name.eq_ignore_ascii_case(b"user-agent") => &mut self.user_agent,
            11 if name.eq_ignore_ascii_case(b"traceparent") => &mut self.traceparent,
            15 if name.eq_ignore_ascii_case(b"x-forwarded-for") => &mut self.forwarded_for,
            10 if name.eq_ignore_ascii_case(b"request-id") => return self.note_id(value),
            12 if name.eq_ignore_ascii_case(b"x-request-id") => return self.note_id(value),
            16 if name.eq_ignore_ascii_case(b"x-correlation-id") => return self.note_id(value),
            _ => return,
        };
        *place = Some(value.trim_ascii());
    }

    fn note_id(&mut self, value: &'a [u8]) {
        let value = value.trim_ascii();
        if self.request.is_none() && !value.is_empty() && value.len() <= ID_BYTES_MAX {
            self.request = Some(value);
        }
    }

    /// The method of a request, and what it asks for; empty where the line is none of a request.
    pub(super) fn asked(&self) -> (&'a [u8], &'a [u8]) {
        let mut words = self.line.split(|byte| *byte == b' ');
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    }
}

/// The first line without its newline, and what comes behind that.
fn first_line(text: &[u8]) -> (&[u8], &[u8]) {
    let end = memchr::memchr(b'\n', text).unwrap_or(text.len());
    let (line, rest) = text.split_at(end);
    (line, rest.get(1..).unwrap_or_default())
}
