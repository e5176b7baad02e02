//! Orders that take a while: what the instance says meanwhile is passed on as it comes.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches};

use super::{ANSWER_BYTES_MAX, ANSWER_TIMEOUT, Error, Instance, fail, name, pick, reason};
use crate::cli::output;
use crate::observe::control::Ended;
use crate::observe::report::Line;

pub(in crate::cli) fn json_argument() -> Arg {
    Arg::new("json")
        .long("json")
        .action(ArgAction::SetTrue)
        .help("Print JSON for scripts, one object per line")
}

/// Sends an order to the instance that the arguments name, and prints what it answers.
pub(in crate::cli) fn order(arguments: &ArgMatches, target: &str) -> ExitCode {
    let json = arguments.get_flag("json");
    // Whether or not anyone reads it, the order goes on.
    let print = |line: &Line| {
        let _ = match line {
            _ if json => output::print(&format!("{}\n", serde_json::to_string(line).unwrap_or_default())),
            Line::Said { line: text } | Line::Ended(Ended { message: text, .. }) => {
                output::print(&format!("{text}\n"))
            }
        };
    };
    match pick(name(arguments)).and_then(|instance| instance.follow(target, print)) {
        Ok(ended) => ExitCode::from(ended.exit_code),
        Err(error) => fail(&error),
    }
}

impl Instance {
    /// # Errors
    /// It did not answer, refused, or ended without saying how it went.
    pub(in crate::cli) fn follow(&self, target: &str, mut hear: impl FnMut(&Line)) -> Result<Ended, Error> {
        let stream = self.connect()?;
        for line in self.begin(&stream, "POST", target)?.lines() {
            let line = line.map_err(|source| self.failed(source))?;
            let line: Line = serde_json::from_str(&line)
                .map_err(|error| self.refused(&format!("its answer is not understood: {error}")))?;
            hear(&line);
            if let Line::Ended(ended) = line {
                return Ok(ended);
            }
        }
        Err(self.refused("it ended without saying how it went"))
    }

    /// Passes on each line of an answer, until it ends or nobody hears it any more.
    ///
    /// # Errors
    /// It did not answer, or refused.
    pub(in crate::cli) fn listen(
        &self,
        target: &str,
        mut hear: impl FnMut(&str) -> bool,
    ) -> Result<(), Error> {
        let stream = self.connect()?;
        for line in self.begin(&stream, "GET", target)?.lines() {
            if !hear(&line.map_err(|source| self.failed(source))?) {
                break;
            }
        }
        Ok(())
    }

    /// Sends a request; what comes after the head of the answer takes as long as it takes.
    fn begin<'a>(
        &self,
        stream: &'a UnixStream,
        method: &str,
        target: &str,
    ) -> Result<BufReader<&'a UnixStream>, Error> {
        let (status, body) = send(stream, method, target).map_err(|source| self.failed(source))?;
        if status != 200 {
            let mut text = String::new();
            let _partly_read = body.take(ANSWER_BYTES_MAX).read_to_string(&mut text);
            return Err(self.refused(&reason(&text).unwrap_or_else(|| format!("it answered {status}"))));
        }
        stream.set_read_timeout(None).map_err(|source| self.failed(source))?;
        Ok(body)
    }
}

/// Sends the request and reads the head of the answer.
fn send<'a>(
    stream: &'a UnixStream,
    method: &str,
    target: &str,
) -> io::Result<(u16, BufReader<&'a UnixStream>)> {
    stream.set_write_timeout(Some(ANSWER_TIMEOUT))?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    let mut writer = stream;
    write!(writer, "{method} {target} HTTP/1.0\r\ncontent-length: 0\r\n\r\n")?;
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if (&mut reader).take(ANSWER_BYTES_MAX).read_line(&mut head)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.unwrap_or(0), reader))
}
