//! Trace ids, as W3C Trace Context writes them.

/// 32 hexadecimal digits, not all of them 0. Datadog's decimal ids and Jaeger's short ones are not read.
pub(super) fn id(text: &[u8]) -> Option<[u8; 16]> {
    let mut id = [0; 16];
    if text.len() != 32 {
        return None;
    }
    for (byte, pair) in id.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    (id != [0; 16]).then_some(id)
}

/// `00-<trace>-<span>-<flags>`: the trace and the flags.
pub(in crate::concerns::logs) fn parent(text: &[u8]) -> Option<([u8; 16], u8)> {
    let mut parts = text.split(|byte| *byte == b'-');
    let (_version, trace, _span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let [high, low] = flags else { return None };
    Some((id(trace)?, digit(*high)? << 4 | digit(*low)?))
}

/// Flags alone: `01` or `1`.
pub(super) fn is_sampled(flags: &[u8]) -> bool {
    flags.last().and_then(|last| digit(*last)).is_some_and(|digit| digit & 1 == 1)
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
