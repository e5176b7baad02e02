//! Quantities as Kubernetes writes them: `512Mi`, `1G`, `250m`, `0.5`, `1e9`.

/// In the base unit: bytes, or CPUs. `None`: not a quantity.
#[must_use]
pub(super) fn parse(text: &str) -> Option<f64> {
    const FACTORS: [(&str, f64); 15] = [
        ("Ki", 1024.0),
        ("Mi", 1_048_576.0),
        ("Gi", 1_073_741_824.0),
        ("Ti", 1_099_511_627_776.0),
        ("Pi", 1_125_899_906_842_624.0),
        ("Ei", 1_152_921_504_606_846_976.0),
        ("n", 1e-9),
        ("u", 1e-6),
        ("m", 1e-3),
        ("k", 1e3),
        ("M", 1e6),
        ("G", 1e9),
        ("T", 1e12),
        ("P", 1e15),
        ("E", 1e18),
    ];
    // `inf` and `nan` are numbers to the standard library.
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let with_unit = || {
        let (unit, factor) = FACTORS.into_iter().find(|(unit, _)| text.ends_with(unit))?;
        Some(text.strip_suffix(unit)?.parse::<f64>().ok()? * factor)
    };
    text.parse().ok().or_else(with_unit).filter(|value: &f64| value.is_finite())
}
