//! Long lines on a narrow screen.

/// Where the text of a line of the doctor begins, after its title; what is wrapped goes on below it.
const HANG: usize = 13;
/// On a screen that is not wider than so many columns more there is no room to hang.
const TEXT_MIN: usize = 20;

/// The line in parts that are no wider, cut between words where there are any.
pub(super) fn wrap(line: &str, width: usize) -> Vec<String> {
    let hang = if line.starts_with("   ") && width >= HANG + TEXT_MIN { HANG } else { 3 };
    let mut lines = Vec::new();
    let mut rest: Vec<char> = line.chars().filter(|character| !character.is_control()).collect();
    while rest.len() > width && width > hang {
        let least = if lines.is_empty() { 1 } else { hang + 1 };
        let space = rest.iter().take(width + 1).rposition(|character| *character == ' ');
        let at = space.filter(|at| *at >= least).unwrap_or(width);
        let tail = rest.split_off(at);
        lines.push(rest.iter().collect::<String>().trim_end().to_owned());
        rest = " "
            .repeat(hang)
            .chars()
            .chain(tail.into_iter().skip_while(|character| *character == ' '))
            .collect();
    }
    lines.push(rest.into_iter().collect());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrapped_goes_on_below_its_text_and_nothing_is_lost() {
        let line =
            "   seen      12 stalls, 4.2 s together and 480 ms at worst; 340 requests waited meanwhile";
        assert_eq!(
            wrap(line, 50),
            [
                "   seen      12 stalls, 4.2 s together and 480 ms",
                "             at worst; 340 requests waited",
                "             meanwhile"
            ]
        );
        assert_eq!(wrap("1. critical: it blocks", 80), ["1. critical: it blocks"]);
        assert_eq!(wrap("", 80), [""]);
        for width in 1..40 {
            let letters = |text: &str| text.chars().filter(|letter| *letter != ' ').collect::<String>();
            let word = "y".repeat(100);
            let parts = wrap(&word, width);
            assert_eq!(letters(&parts.concat()), word, "{width}");
            assert!(width <= 3 || parts.iter().all(|part| part.chars().count() <= width), "{width}");
        }
    }
}
