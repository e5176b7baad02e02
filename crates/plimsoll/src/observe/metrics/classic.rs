//! The classic text format, made from the OpenMetrics text.
//!
//! The two differ, for what is written here, in comment lines alone. OpenMetrics names a family without the
//! suffix of its samples (`x` for `x_total`) and knows the type `info`; the classic parser would take such
//! samples for untyped ones. And the classic format has no end mark.

pub(super) fn from_open_metrics(exposition: &str) -> String {
    let mut classic = String::with_capacity(exposition.len());
    let mut lines = exposition.lines().peekable();
    while let Some(line) = lines.next() {
        let Some((name, help)) = comment(line, "# HELP ") else {
            push(&mut classic, line);
            continue;
        };
        // The encoder writes HELP and then TYPE.
        let Some((_, kind)) =
            lines.next_if(|line| line.starts_with("# TYPE ")).and_then(|line| comment(line, "# TYPE "))
        else {
            continue;
        };
        let (suffix, kind) = match kind {
            "counter" => ("_total", "counter"),
            "info" => ("_info", "gauge"),
            other => ("", other),
        };
        push(&mut classic, &format!("# HELP {name}{suffix} {help}"));
        push(&mut classic, &format!("# TYPE {name}{suffix} {kind}"));
    }
    classic
}

fn push(text: &mut String, line: &str) {
    if line != "# EOF" {
        text.push_str(line);
        text.push('\n');
    }
}

fn comment<'a>(line: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(prefix)?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_names_and_types_of_families_change() {
        let open = "# HELP a Help a.\n# TYPE a counter\na_total{code=\"x\"} 1\n\
                    # HELP b Help b.\n# TYPE b info\nb_info{version=\"1\"} 1\n\
                    # HELP c Help c.\n# TYPE c gauge\nc 0.5\n# EOF\n";
        let classic = "# HELP a_total Help a.\n# TYPE a_total counter\na_total{code=\"x\"} 1\n\
                       # HELP b_info Help b.\n# TYPE b_info gauge\nb_info{version=\"1\"} 1\n\
                       # HELP c Help c.\n# TYPE c gauge\nc 0.5\n";
        assert_eq!(from_open_metrics(open), classic);
    }
}
