//! Names that both sides must spell the same.

/// Environment variable of a worker: the private directory (mode 0700) of this worker's incarnation.
/// The agent removes it from `process.env` once it has taken the directory, so that children of the app
/// do not mistake themselves for the worker.
pub const ENV_DIRECTORY: &str = "PLIMSOLL_AGENT_DIR";

/// Environment variable of a worker: the sizes of the heap that the supervisor has put into `NODE_OPTIONS`, as they stand there. They
/// are for the main thread of each process; the agent takes them back before the app could start threads of its own.
pub const ENV_HEAP: &str = "PLIMSOLL_AGENT_HEAP";

/// Unix socket in the private directory on which the supervisor listens for the agent.
pub const CHANNEL_SOCKET: &str = "agent.sock";

/// File that the preload creates (exclusively, at once, without opening anything else) in the private
/// directory: proof for the supervisor that the command runs Node and that the agent could be loaded.
pub const PRESENCE_FILE: &str = "node";

/// The private header, always the last of a request that the gateway sends to a worker, and removed by the
/// agent before anything else sees the request. Its value is [`peer`].
/// A client's own header of this name is dropped by the gateway.
pub const PEER_HEADER: &str = "x-plimsoll";

/// The value of [`PEER_HEADER`]: `<peer ip> <peer port> <local ip> <local port>`, single spaces, IP addresses
/// as Node prints them for the listening socket (`::ffff:127.0.0.1` on a dual-stack socket).
///
/// Two more fields may follow, each after a space. The first request of a link that has a slot in the page
/// ([`crate::page`]) gives the slot's number, in decimal, which is that of the link from then on. A request of which
/// more will be sent only when it has started ends in [`WAITS`](peer::WAITS).
pub mod peer {
    /// The last field of a request whose sender wants to be told when it has started.
    pub const WAITS: &str = "w";
}
