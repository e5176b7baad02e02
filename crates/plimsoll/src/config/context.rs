//! The settings of `context` as the program uses them.

/// Request ids and traces.
#[derive(Debug, Clone)]
pub struct Context {
    pub request_id: Ask,
    /// The id of a request is told to its client.
    pub echo: bool,
    pub trace: Ask,
    /// The share of requests that is recorded whatever becomes of them; `None`: as the environment says.
    pub sample: Option<f64>,
    pub propagate: Propagate,
    /// What may wait for the collector.
    pub buffer_bytes: usize,
}

/// Something that is on where there is a reason for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    Auto,
    On,
    Off,
}

/// Whether the app's own calls tell of the trace that they belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Propagate {
    /// Where it is known for certain which request makes the call.
    Exact,
    Off,
}

impl Default for Context {
    fn default() -> Self {
        Self {
            request_id: Ask::Auto,
            echo: true,
            trace: Ask::Auto,
            sample: None,
            propagate: Propagate::Exact,
            buffer_bytes: 4 * 1024 * 1024,
        }
    }
}
