//! FAIR_SHARE: who wants less than an even part gets what it wants, and the others share the rest evenly.

/// A part of `total` for each of `wants`; never more than is wanted. What an even division leaves over goes to the
/// first of `order`, one each.
pub(super) fn fair(total: u32, wants: &[u32], order: &[usize]) -> Vec<u32> {
    let mut parts = vec![0; wants.len()];
    let mut left = total;
    loop {
        let hungry: Vec<usize> = hungry(&parts, wants, order).collect();
        let count = u32::try_from(hungry.len()).unwrap_or(u32::MAX);
        if count == 0 || left == 0 {
            return parts;
        }
        let even = (left / count).max(1);
        for index in hungry {
            let (Some(part), Some(want)) = (parts.get_mut(index), wants.get(index)) else { continue };
            let more = even.min(want.saturating_sub(*part)).min(left);
            *part += more;
            left -= more;
        }
    }
}

fn hungry<'a>(parts: &'a [u32], wants: &'a [u32], order: &'a [usize]) -> impl Iterator<Item = usize> + 'a {
    order.iter().copied().filter(|index| parts.get(*index) < wants.get(*index))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_wants_less_than_an_even_part_gets_it_and_the_rest_is_shared() {
        let table: [(u32, &[u32], &[u32]); 8] = [
            (10, &[], &[]),
            (10, &[3, 4], &[3, 4]),
            (10, &[100, 0, 0, 0], &[10, 0, 0, 0]),
            (10, &[100, 100, 100, 100], &[3, 3, 2, 2]),
            (10, &[1, 100, 100], &[1, 5, 4]),
            (10, &[100, 2, 100, 1], &[4, 2, 3, 1]),
            (2, &[5, 5, 5], &[1, 1, 0]),
            (u32::MAX, &[u32::MAX, u32::MAX], &[u32::MAX / 2 + 1, u32::MAX / 2]),
        ];
        for (total, wants, parts) in table {
            let order: Vec<usize> = (0..wants.len()).collect();
            assert_eq!(fair(total, wants, &order), parts, "{total} for {wants:?}");
        }
        assert_eq!(fair(2, &[5, 5, 5], &[2, 0, 1]), [1, 0, 1]);
    }
}
