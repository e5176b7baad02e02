//! What is set for `/metrics`.

/// What `/metrics` says of what the app counts itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AppMetrics {
    /// All workers put together.
    #[default]
    Merge,
    /// Each worker by itself.
    Each,
    Off,
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Metrics {
    pub app: AppMetrics,
}
