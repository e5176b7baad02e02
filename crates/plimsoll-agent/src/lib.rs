//! The native half of the agent.
