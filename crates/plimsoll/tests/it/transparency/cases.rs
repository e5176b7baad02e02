//! What a row of the table says.

/// One row.
#[derive(Debug)]
pub(super) struct Case {
    pub(super) name: &'static str,
    pub(super) bytes: Vec<u8>,
    pub(super) expect: Expect,
}

#[derive(Debug)]
pub(super) enum Expect {
    /// One final answer per method, each as plain Node gives it, and the connection in the same state after.
    Same(Vec<&'static str>),
    /// One answer with one of these statuses, the connection closed, and nothing has run.
    Refused { statuses: &'static [u16], code: Option<&'static str> },
    /// The fault is in the body, so the app may have seen the head: no success, the connection closed, and no
    /// smuggled request has run.
    Cut,
}

/// One request that is served as plain Node serves it.
pub(super) fn same(name: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    let bytes = bytes.as_ref();
    let start = bytes.iter().position(|byte| !b"\r\n".contains(byte)).unwrap();
    let method = match &bytes[start..] {
        [b'H', b'E', b'A', b'D', b' ', ..] => "HEAD",
        _ => "GET",
    };
    pipelined(name, &[method], bytes)
}

/// Several requests at once; the answers come in this order.
pub(super) fn pipelined(name: &'static str, methods: &[&'static str], bytes: impl AsRef<[u8]>) -> Case {
    Case { name, bytes: bytes.as_ref().to_vec(), expect: Expect::Same(methods.to_vec()) }
}

/// Refused as a bad request.
pub(super) fn bad(name: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    refused(name, &[400], Some("bad_request"), bytes)
}

pub(super) fn refused(
    name: &'static str,
    statuses: &'static [u16],
    code: Option<&'static str>,
    bytes: impl AsRef<[u8]>,
) -> Case {
    Case { name, bytes: bytes.as_ref().to_vec(), expect: Expect::Refused { statuses, code } }
}

pub(super) fn cut(name: &'static str, bytes: impl AsRef<[u8]>) -> Case {
    Case { name, bytes: bytes.as_ref().to_vec(), expect: Expect::Cut }
}
