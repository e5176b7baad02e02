//! `[[event_loop.lane]]`: routes that are given workers of their own by hand.

use super::form::{Form, Reason};

/// More would be a list of all routes.
const LANES_MAX: usize = 8;
const WORKERS_MAX: usize = 1024;

/// Routes that only some workers serve, one request at a time in each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub routes: Vec<Pattern>,
    pub workers: usize,
}

/// `POST /reports/*`: a method, or `*` for any; and a path in which `*` stands for one segment, and at its end for all
/// that follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    method: String,
    path: String,
}

impl Pattern {
    /// `target` is that of a request: what follows a `?` does not count.
    #[must_use]
    pub fn matches(&self, method: &[u8], target: &[u8]) -> bool {
        if self.method != "*" && self.method.as_bytes() != method {
            return false;
        }
        let path = target.split(|byte| *byte == b'?').next().unwrap_or_default();
        let mut segments = path.split(|byte| *byte == b'/');
        let mut wanted = self.path.split('/').peekable();
        while let Some(want) = wanted.next() {
            let Some(segment) = segments.next() else { return false };
            if want == "*" {
                if segment.is_empty() {
                    return false;
                }
                if wanted.peek().is_none() {
                    return true;
                }
            } else if want.as_bytes() != segment {
                return false;
            }
        }
        segments.next().is_none()
    }

    fn read(text: &str) -> Result<Self, Reason> {
        let fault = || {
            Reason::new(
                format!("`{text}` is not a route"),
                "write a method and a path, like `POST /reports/*`",
            )
        };
        let (method, path) = text.split_once(' ').ok_or_else(fault)?;
        let is_method = method == "*" || method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-');
        let is_path = path.starts_with('/')
            && path.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"\\,;=".contains(&byte))
            && path.split('/').all(|segment| segment == "*" || !segment.contains('*'));
        if method.is_empty() || !is_method || !is_path {
            return Err(fault());
        }
        Ok(Self { method: method.to_owned(), path: path.to_owned() })
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.method, self.path)
    }
}

/// The lanes in one line, for variables and for printing: `POST /reports/*, GET /export = 2; GET /search = 1`.
pub(super) struct Lanes;

impl Lanes {
    /// One table of the file as a part of that line.
    pub(super) fn line(routes: &[&str], workers: &str) -> String {
        format!("{} = {workers}", routes.join(", "))
    }
}

impl Form for Lanes {
    type Value = Vec<Lane>;

    fn read(&self, text: &str) -> Result<Vec<Lane>, Reason> {
        if text == "none" {
            return Ok(Vec::new());
        }
        let lanes: Vec<Lane> =
            text.split(';').map(|lane| read_lane(lane.trim())).collect::<Result<_, _>>()?;
        if lanes.len() > LANES_MAX {
            return Err(Reason::new(
                format!("there are {} lanes", lanes.len()),
                format!("at most {LANES_MAX} make sense"),
            ));
        }
        Ok(lanes)
    }

    fn write(&self, value: &Vec<Lane>) -> String {
        if value.is_empty() {
            return "none".to_owned();
        }
        let line = |lane: &Lane| {
            let routes: Vec<_> = lane.routes.iter().map(Pattern::to_string).collect();
            let routes: Vec<&str> = routes.iter().map(String::as_str).collect();
            Self::line(&routes, &lane.workers.to_string())
        };
        value.iter().map(line).collect::<Vec<_>>().join("; ")
    }

    fn describe(&self) -> String {
        "tables with `routes` and `workers`; in one line: `POST /reports/*, GET /export = 2; GET /search = 1`; or \
         `none`"
            .to_owned()
    }

    fn is_tables(&self) -> bool {
        true
    }
}

fn read_lane(text: &str) -> Result<Lane, Reason> {
    let (routes, workers) = text.rsplit_once('=').unwrap_or((text, "1"));
    let workers = workers.trim().parse().ok().filter(|workers| (1..=WORKERS_MAX).contains(workers));
    let workers = workers.ok_or_else(|| {
        Reason::new("the number of workers makes no sense", format!("write a number from 1 to {WORKERS_MAX}"))
    })?;
    let routes = routes.split(',').map(|route| Pattern::read(route.trim())).collect::<Result<_, _>>()?;
    Ok(Lane { routes, workers })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_a_segment_and_at_the_end_for_all_that_follow() {
        let table = [
            ("POST /reports/*", "POST", "/reports/1", true),
            ("POST /reports/*", "POST", "/reports/1/pages?all", true),
            ("POST /reports/*", "POST", "/reports", false),
            ("POST /reports/*", "POST", "/reports/", false),
            ("POST /reports/*", "GET", "/reports/1", false),
            ("* /reports", "GET", "/reports?of=2026", true),
            ("* /reports", "PURGE", "/reports/1", false),
            ("GET /users/*/export", "GET", "/users/42/export", true),
            ("GET /users/*/export", "GET", "/users/42/import", false),
            ("GET /users/*/export", "GET", "/users//export", false),
            ("GET /", "GET", "/", true),
            ("GET /", "GET", "/a", false),
            ("GET /*", "GET", "/a/b", true),
            ("GET /a", "GET", "*", false),
        ];
        for (pattern, method, target, expected) in table {
            let read = Pattern::read(pattern).unwrap();
            assert_eq!(
                read.matches(method.as_bytes(), target.as_bytes()),
                expected,
                "{pattern}: {method} {target}"
            );
        }
    }

    #[test]
    fn a_line_reads_back() {
        let text = "POST /reports/*, GET /export = 2; * /search = 1";
        let lanes = Lanes.read(text).unwrap();
        assert_eq!((lanes.len(), lanes[0].workers, lanes[1].routes.len()), (2, 2, 1));
        assert_eq!(Lanes.write(&lanes), text);
        assert_eq!(Lanes.write(&Lanes.read("none").unwrap()), "none");
        assert_eq!(Lanes.read("GET /a").unwrap()[0].workers, 1);
        for broken in [
            "",
            "/reports = 1",
            "get /a",
            "GET reports",
            "GET /a*b",
            "GET /a = 0",
            "GET /a = x",
            "GET /a?b",
            ";",
        ] {
            assert!(Lanes.read(broken).is_err(), "{broken}");
        }
        assert!(Lanes.read(&["GET /a"; 9].join(";")).is_err());
    }
}
