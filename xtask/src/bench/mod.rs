//! Benchmarks, each with its method and results in `bench/`.

/// Runs the benchmark named by the first argument.
pub(crate) fn run(_args: Vec<String>) -> anyhow::Result<()> {
    anyhow::bail!("no such benchmark")
}
