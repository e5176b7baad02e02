//! HTTP/1.1 as bytes: which bytes are head, body, trailer, next message; or refuse. Pure, no I/O.
//!
//! ```text
//!   bytes ──► head.rs      where does the head end? (strict line endings, no folding)
//!               │
//!               ├─► request.rs    method, limits, Host, framing, persistence   ─┐
//!               └─► response.rs   status, framing, persistence                 ─┴─► framing.rs  which body?
//!   bytes ──► body.rs      how many of these belong to this message?
//!               └─► chunked.rs    the chunked coding, checked byte by byte
//! ```
//!
//! Nothing is rewritten here: the gateway sends on the very bytes it got. So everything accepted must be
//! framed by the other side exactly as it was framed here, and the rule of this folder is: what could be read
//! in two ways is refused. The tables in `tests.rs`, the fuzz target and the differential test against Node's
//! parser hold it to that.

pub mod body;
pub mod carried;
pub mod chunked;
pub mod framing;
pub mod head;
pub mod request;
pub mod response;
pub mod websocket;

#[cfg(test)]
mod tests;
