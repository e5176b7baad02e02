//! What is said of the calls that the app makes.

use std::fmt::Write as _;

use crate::observe::status::Downstream;

/// Services, and further routes of each; `--json` has all of them.
const SHOWN: usize = 10;
const ROUTES_SHOWN: usize = 4;

pub(super) fn render(downstreams: &[Downstream]) -> String {
    let mut text = String::new();
    if !downstreams.is_empty() {
        text.push_str("\ncalls to other services\n");
    }
    for one in downstreams.iter().take(SHOWN) {
        let _ = writeln!(text, "  {}", one.finding.as_deref().unwrap_or_default());
        // The widest stands in the sentence.
        for caller in one.callers.iter().skip(1).take(ROUTES_SHOWN) {
            let _ = writeln!(text, "    {}: up to {} (p99 {})", caller.route, caller.most, caller.p99);
        }
        if let Some(hint) = &one.hint {
            let _ = writeln!(text, "    hint: {hint}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::downstream::Caller;

    #[test]
    fn a_service_is_told_with_its_routes_and_what_would_help() {
        let caller = |route: &str, most| Caller { route: route.into(), seen: 9, most, p99: 3 };
        let one = Downstream {
            finding: Some("GET /orders makes up to 50 parallel calls to http://stock:8080 (p99 38)".into()),
            hint: Some("[downstream.\"stock:8080\"] mode = \"enforce\"".into()),
            callers: vec![caller("GET /orders", 50), caller("GET /cart", 4)],
            ..Downstream::default()
        };
        let expected = "
calls to other services
  GET /orders makes up to 50 parallel calls to http://stock:8080 (p99 38)
    GET /cart: up to 4 (p99 3)
    hint: [downstream.\"stock:8080\"] mode = \"enforce\"
";
        assert_eq!(render(&[one]), expected);
        assert_eq!(render(&[]), "");
    }
}
