//! The page at `/`: what the instance is doing now, and where else to look.
//!
//! Rendered here, without a script, without a request to anywhere else, and reloaded by the browser.

use std::fmt::{self, Write as _};

use super::status::{Status, Worker};
use super::units;

/// Nothing but our own style sheet may be loaded, and no other page may frame this one.
pub(super) const SECURITY_POLICY: &str =
    "default-src 'none'; style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) const STYLE_PATH: &str = "/style.css";
pub(super) const STYLE: &str = "\
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { padding: .25rem .9rem .25rem 0; text-align: left; border-bottom: 1px solid #8884; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
";

const LINKS: [(&str, &str); 4] = [
    ("/livez", "200 while the supervisor turns, however busy the workers are"),
    ("/readyz", "200 from the first worker that listens until a drain begins"),
    ("/status", "this page as JSON"),
    ("/metrics", "for Prometheus"),
];

pub(super) fn render(status: &Status) -> String {
    let mut page = String::new();
    // Writing into a string does not fail.
    let _ = write(&mut page, status);
    page
}

fn write(page: &mut String, status: &Status) -> fmt::Result {
    let name = Escaped(&status.name);
    write!(
        page,
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{name}: {state}</title>\
         <meta name=\"viewport\" content=\"width=device-width\"><meta http-equiv=\"refresh\" content=\"5\">\
         <link rel=\"stylesheet\" href=\"{STYLE_PATH}\"></head><body><h1>{name}: {state}</h1>\
         <p>Plimsoll {version}, process {pid}. {total} requests, {failed} failed, {retried} retried.</p>",
        state = status.state.as_str(),
        version = Escaped(&status.version),
        pid = status.pid,
        total = status.requests.total,
        failed = status.requests.failed,
        retried = status.requests.retried,
    )?;
    listeners(page, status)?;
    workers(page, status)?;
    page.push_str("<ul>");
    for (path, text) in LINKS {
        write!(page, "<li><a href=\"{path}\">{path}</a>: {text}</li>")?;
    }
    page.push_str("</ul></body></html>\n");
    Ok(())
}

fn listeners(page: &mut String, status: &Status) -> fmt::Result {
    head(page, &["listens on", "protocol"], &["connections", "requests"]);
    for listener in &status.listeners {
        write!(page, "<tr><td>{}</td><td>{}</td>", listener.address, listener.protocol.as_str())?;
        numbers(page, &[listener.connections.to_string(), listener.requests.to_string()])?;
    }
    page.push_str("</table>");
    Ok(())
}

fn workers(page: &mut String, status: &Status) -> fmt::Result {
    let numbers = ["process", "in flight", "requests", "restarts", "uptime", "memory"];
    head(page, &["worker", "state", "lane"], &numbers);
    status.processes().try_for_each(|each| worker(page, each))?;
    page.push_str("</table>");
    Ok(())
}

fn worker(page: &mut String, worker: &Worker) -> fmt::Result {
    let (state, lane) = (worker.state.as_str(), worker.lane.as_str());
    write!(page, "<tr><td>{}</td><td>{state}</td><td>{lane}</td>", worker.id)?;
    numbers(
        page,
        &[
            worker.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string()),
            worker.in_flight.to_string(),
            worker.requests.to_string(),
            worker.restarts.to_string(),
            units::age(worker.uptime_s),
            units::size(worker.rss_bytes),
        ],
    )
}

fn head(page: &mut String, texts: &[&str], numbers: &[&str]) {
    page.push_str("<table><tr>");
    page.extend(texts.iter().map(|title| format!("<th>{title}</th>")));
    page.extend(numbers.iter().map(|title| format!("<th class=\"number\">{title}</th>")));
    page.push_str("</tr>");
}

/// The rest of a row.
fn numbers(page: &mut String, cells: &[String]) -> fmt::Result {
    cells.iter().try_for_each(|cell| write!(page, "<td class=\"number\">{cell}</td>"))?;
    page.write_str("</tr>")
}

/// Text that somebody else chose.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|character| match character {
            '&' => f.write_str("&amp;"),
            '<' => f.write_str("&lt;"),
            '>' => f.write_str("&gt;"),
            '"' => f.write_str("&quot;"),
            '\'' => f.write_str("&#39;"),
            other => f.write_char(other),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::status::fixture;

    #[test]
    fn a_name_cannot_bring_markup() {
        let page = render(&Status { name: "<script>'\"&".into(), ..fixture() });
        assert!(!page.contains("<script"), "{page}");
        assert!(page.contains("<h1>&lt;script&gt;&#39;&quot;&amp;: ready</h1>"), "{page}");
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_needs_no_inline_style() {
        let page = render(&fixture());
        for word in ["://", "<style", "style=\"", "<script", "@import", "url("] {
            assert!(!page.contains(word) && !STYLE.contains(word), "{word}");
        }
    }
}
