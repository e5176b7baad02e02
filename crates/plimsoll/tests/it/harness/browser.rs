//! A browser without a screen, driven over its own protocol (CDP): `--remote-debugging-pipe` speaks JSON, each message ended
//! by a zero byte, on descriptors 3 and 4.
//!
//! Nothing is unwrapped here: the benchmark of the dashboard uses this file as well.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

/// As Debian and others name it.
const PROGRAMS: [&str; 4] = ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"];
/// The shell puts the two pipes where the browser looks for them.
const AT_3_AND_4: &str = r#"exec "$0" "$@" 3<&0 4>&1 0</dev/null 1>&2"#;

/// One page of a browser of its own; both end when this is dropped.
#[derive(Debug)]
pub(crate) struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    /// Exceptions, refused loads and whatever else the page has complained of.
    problems: Vec<String>,
}

/// What the page is shown on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    pub(crate) width: u32,
    pub(crate) height: u32,
    pub(crate) is_dark: bool,
}

impl Browser {
    /// `None`: there is no browser on this machine. `profile`: a directory for what it writes.
    pub(crate) fn start(profile: &Path) -> io::Result<Option<Self>> {
        let is_there = |program: &&str| {
            let mut command = Command::new(program);
            command
                .arg("--version")
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|it| it.success())
        };
        let Some(program) = PROGRAMS.into_iter().find(is_there) else { return Ok(None) };
        let mut child = Command::new("sh")
            .args(["-c", AT_3_AND_4, program])
            // Tests run as root in containers, where the browser cannot make a sandbox; and /dev/shm may be small there.
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--hide-scrollbars",
            ])
            .args(["--no-first-run", "--no-proxy-server", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let (to, from) = match (child.stdin.take(), child.stdout.take()) {
            (Some(to), Some(from)) => (to, BufReader::new(from)),
            _ => return Err(io::ErrorKind::BrokenPipe.into()),
        };
        let mut browser = Self { child, to, from, session: None, last: 0, problems: Vec::new() };
        let target = browser.call("Target.createTarget", &json!({ "url": "about:blank" }))?;
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session =
            browser.call("Target.attachToTarget", &attach)?["sessionId"].as_str().map(str::to_owned);
        for domain in ["Runtime.enable", "Log.enable", "Page.enable"] {
            browser.call(domain, &json!({}))?;
        }
        Ok(Some(browser))
    }

    pub(crate) fn open(&mut self, url: &str, screen: Screen) -> io::Result<()> {
        self.show_on(screen)?;
        self.call("Page.navigate", &json!({ "url": url }))?;
        Ok(())
    }

    pub(crate) fn show_on(&mut self, screen: Screen) -> io::Result<()> {
        let Screen { width, height, is_dark } = screen;
        let metrics =
            json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.call("Emulation.setDeviceMetricsOverride", &metrics)?;
        let scheme = if is_dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", &media)?;
        Ok(())
    }

    /// The value of an expression in the page; null where it throws, for the page may not be there yet.
    pub(crate) fn ask(&mut self, expression: &str) -> io::Result<Value> {
        let ask = json!({ "expression": expression, "returnByValue": true });
        let mut answer = self.call("Runtime.evaluate", &ask)?;
        if answer.get("exceptionDetails").is_some() {
            return Ok(Value::Null);
        }
        Ok(answer["result"]["value"].take())
    }

    pub(crate) fn problems(&self) -> &[String] {
        &self.problems
    }

    /// Any command of the protocol.
    pub(crate) fn call(&mut self, method: &str, parameters: &Value) -> io::Result<Value> {
        self.last += 1;
        let mut message = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            message["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{message}\0").as_bytes())?;
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes)?;
            let Some((0, text)) = bytes.split_last() else { return Err(io::ErrorKind::UnexpectedEof.into()) };
            let mut message: Value = serde_json::from_slice(text)?;
            if message["id"] == self.last {
                return match message.get("error") {
                    Some(error) => Err(io::Error::other(format!("{method}: {error}"))),
                    None => Ok(message["result"].take()),
                };
            }
            let is_problem = match message["method"].as_str() {
                Some("Runtime.exceptionThrown") => true,
                Some("Log.entryAdded") => message["params"]["entry"]["level"] == "error",
                _ => false,
            };
            if is_problem {
                self.problems.push(message["params"].to_string());
            }
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Its helpers end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
