//! Sinks: each with a real target, also one that is full, away or refuses.

use std::fs;
use std::io::Read as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{App, Client, Collector, Launch, Server, until};

const APP: &str = "
    const { createServer } = require('node:http');
    createServer((request, response) => {
        const { pathname, searchParams } = new URL(request.url, 'http://app');
        const [lines, level] = [Number(searchParams.get('lines') ?? 1), Number(searchParams.get('level') ?? 30)];
        if (pathname === '/log') {
            for (let i = 0; i < lines; i++) {
                console.log(JSON.stringify({ level, reqId: 'r1', msg: `line ${i}`, pad: searchParams.get('pad') ?? '' }));
            }
        }
        if (pathname === '/exit') {
            console.error('last words');
            process.exit(3);
        }
        response.end('ok');
    }).listen(process.env.PORT);
";

/// The app with these sinks.
fn start(sinks: &str) -> Server {
    Launch::plimsoll(App::source(APP)).settings(sinks).start()
}

/// The figures of one sink in `/status`.
fn figures(server: &Server, name: &str) -> Value {
    let status = server.status();
    let sinks = status["log_sinks"].as_array().unwrap();
    sinks.iter().find(|sink| sink["name"] == name).unwrap().clone()
}

#[test]
fn a_file_has_what_workers_and_we_ourselves_said_to_the_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log/app.log");
    let mut server = start(&format!(
        "[[logs.sink]]\ntype = 'file'\npath = {path:?}\nrotate_size = '64KB'\nkeep = 1000\n\
         [[logs.sink]]\ntype = 'file'\nname = 'errors'\nlevel = 'error'\nformat = 'json'\npath = {:?}",
        directory.path().join("errors.log")
    ));
    assert_eq!(server.get("/log?lines=2000&pad=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx").status, 200);
    assert_eq!(server.get("/log?level=50").status, 200);
    let _worker_died = Client::try_get(server.port(), "/exit");
    server.wait_for_stderr("exited with code 3");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);

    let log = path.parent().unwrap();
    let unpacked = |path: PathBuf| {
        let bytes = fs::read(&path).unwrap();
        if path.extension().is_some_and(|end| end == "gz") { gunzip(&bytes) } else { bytes }
    };
    let mut files: Vec<PathBuf> = fs::read_dir(log).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_none_or(|end| end != "part"));
    assert!(files.len() > 2, "{files:?}");
    let all: String =
        files.into_iter().map(|path| String::from_utf8(unpacked(path)).unwrap()).collect::<Vec<_>>().concat();
    let lines = all.lines().filter(|line| line.contains("\"msg\":\"line ")).count();
    assert_eq!(lines, 2001, "each line once");
    for text in ["last words", "plimsoll: listening", "exited with code 3", "plimsoll: drained"] {
        assert!(all.contains(text), "{text} in {all}");
    }
    let errors = fs::read_to_string(directory.path().join("errors.log")).unwrap();
    let errors: Vec<Value> = errors.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(errors.iter().all(|error| error["level"] == "error"), "{errors:?}");
    assert!(errors.iter().any(|error| error["request"] == "r1" && error["worker"] == 0));
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(bytes).read_to_end(&mut text).unwrap();
    text
}

#[test]
fn a_file_that_cannot_be_written_is_said_once_and_written_when_it_can_be() {
    let directory = tempfile::tempdir().unwrap();
    // In the place of the directory of the log stands a file.
    fs::write(directory.path().join("log"), "").unwrap();
    let path = directory.path().join("log/app.log");
    let good = directory.path().join("good.log");
    let server = start(&format!(
        "[[logs.sink]]\ntype = 'file'\nname = 'bad'\npath = {path:?}\n[[logs.sink]]\ntype = 'file'\npath = {good:?}"
    ));
    assert_eq!(server.get("/log").status, 200);
    server.wait_for_stderr("logs to bad: ");
    let said = server.stderr();
    assert!(said.contains("cannot be written") && said.contains("hint: "), "{said}");
    until("the other sink goes on", || {
        fs::read_to_string(&good).is_ok_and(|text| text.contains("line 0")).then_some(())
    });
    fs::remove_file(directory.path().join("log")).unwrap();
    server.wait_for_stderr("logs to bad are delivered again");
    assert!(fs::read_to_string(&path).unwrap().contains("line 0"), "nothing is lost that need not be");
    assert_eq!(figures(&server, "bad")["dropped_lines"], 0);
}

#[test]
fn a_collector_that_is_away_for_a_while_gets_all_of_it_later() {
    let (loki, otlp, http) = (Collector::start(200), Collector::start(200), Collector::start(503));
    let server = start(&format!(
        "[[logs.sink]]\ntype = 'loki'\nurl = 'http://127.0.0.1:{}'\nbatch_wait = '0s'\n\
         [[logs.sink]]\ntype = 'otlp'\nurl = 'http://127.0.0.1:{}'\nbatch_wait = '0s'\n\
         [[logs.sink]]\ntype = 'http'\nurl = 'http://localhost:{}/in'\nbatch_wait = '0s'",
        loki.port, otlp.port, http.port
    ));
    assert_eq!(server.get("/log?lines=3").status, 200);
    for collector in [&loki, &otlp] {
        until("it has come", || collector.has("line 2").then_some(()));
    }
    server.wait_for_stderr("logs to http: ");
    assert!(server.stderr().contains("answered 503"), "{}", server.stderr());
    http.status.store(200, Ordering::SeqCst);
    server.wait_for_stderr("logs to http are delivered again");
    until("all has come", || (http.has("line 0") && http.has("line 2")).then_some(()));
    assert_eq!(figures(&server, "http")["dropped_lines"], 0);
}

#[test]
fn what_a_collector_does_not_take_waits_on_the_disk_also_for_the_next_run() {
    let directory = tempfile::tempdir().unwrap();
    let spill = directory.path().join("spill");
    let collector = Collector::start(503);
    let sink = format!(
        "[[logs.sink]]\ntype = 'http'\nurl = 'http://127.0.0.1:{}/in'\nbatch_wait = '0s'\nqueue = '64KB'\nspill = {spill:?}",
        collector.port
    );
    let mut server = start(&sink);
    assert_eq!(server.get("/log?lines=1").status, 200);
    server.wait_for_stderr("logs to http: ");
    // Far more than the queue in memory has room for, but not all at once.
    for _ in 0..20 {
        let before = figures(&server, "http")["spilled_bytes"].as_u64();
        assert_eq!(
            server
                .get("/log?lines=100&pad=xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
                .status,
            200
        );
        until("they are on the disk", || {
            let now = figures(&server, "http");
            (now["spilled_bytes"].as_u64() > before && now["queue_bytes"] == 0).then_some(())
        });
    }
    assert_eq!(figures(&server, "http")["dropped_lines"], 0);
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
    assert!(server.stderr().contains("for the next run"), "{}", server.stderr());
    assert!(!collector.has("line 0"));

    collector.status.store(200, Ordering::SeqCst);
    let server = start(&sink);
    until("all has come", || {
        let bodies = collector.bodies().concat();
        let bodies = String::from_utf8_lossy(&bodies);
        (bodies.matches("\\\"msg\\\":\\\"line ").count() == 2001).then_some(())
    });
    until("the file is gone", || (!spill.exists()).then_some(()));
    assert_eq!(figures(&server, "http")["spilled_bytes"], 0);
}

#[test]
fn what_hangs_at_the_end_waits_on_the_disk_for_the_next_run() {
    let directory = tempfile::tempdir().unwrap();
    let spill = directory.path().join("spill");
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let sink = |port: u16| {
        format!(
            "[[logs.sink]]\ntype = 'http'\nurl = 'http://127.0.0.1:{port}/in'\nbatch_wait = '0s'\nspill = {spill:?}"
        )
    };
    let mut server = start(&sink(silent.local_addr().unwrap().port()));
    assert_eq!(server.get("/log?lines=100").status, 200);
    let (_attempt, _) = silent.accept().unwrap();
    // Some are being sent, and these wait.
    assert_eq!(server.get("/log?lines=100").status, 200);
    until("they have been read", || {
        (server.stdout().matches("\"msg\":\"line ").count() == 200).then_some(())
    });
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
    assert!(server.stderr().contains("for the next run"), "{}", server.stderr());

    let collector = Collector::start(200);
    let _server = start(&sink(collector.port));
    until("all has come", || {
        let bodies = collector.bodies().concat();
        let bodies = String::from_utf8_lossy(&bodies);
        (bodies.matches("\\\"msg\\\":\\\"line ").count() == 200).then_some(())
    });
}

#[test]
fn a_collector_that_never_answers_holds_up_nobody_not_even_the_end() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut server = start(&format!(
        "[[logs.sink]]\ntype = 'http'\nurl = 'http://{}'\nqueue = '64KB'\nbatch_wait = '0s'\nlevel = 'info'",
        silent.local_addr().unwrap()
    ));
    assert_eq!(server.get("/log?lines=3000").status, 200);
    until("the rest is dropped", || {
        (figures(&server, "http")["dropped_lines"].as_u64() > Some(0)).then_some(())
    });
    until("stdout has all", || (server.stdout().matches("\"msg\":\"line ").count() == 3000).then_some(()));
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), 0);
    assert!(server.stderr().contains("could not be delivered before the end"), "{}", server.stderr());
}

#[test]
fn a_full_disk_drops_by_level_and_says_what_is_lost() {
    let server = start("[[logs.sink]]\ntype = 'file'\nname = 'full'\npath = '/dev/full'\nqueue = '64KB'");
    assert_eq!(server.get("/log?lines=2000").status, 200);
    server.wait_for_stderr("No space left on device");
    until("the queue is full", || {
        (figures(&server, "full")["dropped_lines"].as_u64() > Some(0)).then_some(())
    });
    assert_eq!(server.get("/log?lines=1&level=50").status, 200);
    until("the error has come", || server.stdout().contains("\"level\":50").then_some(()));
    let metrics = String::from_utf8(server.admin("/metrics").body).unwrap();
    assert!(
        metrics.contains(r#"dropped_lines_total{level="info",reason="queue_full",sink="full"}"#),
        "{metrics}"
    );
    assert!(!metrics.contains(r#"dropped_lines_total{level="error""#), "{metrics}");
    assert!(figures(&server, "full")["queue_bytes"].as_u64() <= Some(64 * 1024));
}

#[test]
fn what_a_collector_refuses_for_now_comes_later_whatever_it_says() {
    let troubles = [("limits", 429, "answered 429"), ("broken", 500, "answered 500"), ("resets", 0, "")];
    let collectors: Vec<Collector> =
        troubles.iter().map(|(_, status, _)| Collector::start(*status)).collect();
    let sinks: Vec<String> = troubles
        .iter()
        .zip(&collectors)
        .map(|((name, ..), collector)| {
            let url = format!("http://127.0.0.1:{}/in", collector.port);
            format!("[[logs.sink]]\ntype = 'http'\nname = '{name}'\nurl = '{url}'\nbatch_wait = '0s'\n")
        })
        .collect();
    let server = start(&sinks.concat());
    assert_eq!(server.get("/log?lines=3").status, 200);
    until("stdout has all", || server.stdout().contains("line 2").then_some(()));
    for ((name, _, said), collector) in troubles.iter().zip(&collectors) {
        server.wait_for_stderr(&format!("logs to {name}: "));
        assert!(server.stderr().contains(said), "{said} in {}", server.stderr());
        collector.status.store(200, Ordering::SeqCst);
        server.wait_for_stderr(&format!("logs to {name} are delivered again"));
        until("all has come", || (collector.has("line 0") && collector.has("line 2")).then_some(()));
        assert_eq!(figures(&server, name)["dropped_lines"], 0, "{name}");
    }
}

#[test]
fn syslog_gets_each_line_by_whatever_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let unix = UnixDatagram::bind(&path).unwrap();
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = start(&format!(
        "[[logs.sink]]\ntype = 'syslog'\nname = 'unix'\naddress = 'unix://{}'\nlevel = 'error'\n\
         [[logs.sink]]\ntype = 'syslog'\nname = 'udp'\naddress = 'udp://{}'\nlevel = 'error'\n\
         [[logs.sink]]\ntype = 'syslog'\nname = 'tcp'\naddress = 'tcp://{}'\nlevel = 'error'",
        path.display(),
        udp.local_addr().unwrap(),
        tcp.local_addr().unwrap()
    ));
    assert_eq!(server.get("/log?lines=1&level=50").status, 200);
    let mut datagram = [0; 4096];
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let by_unix = unix.recv(&mut datagram).map(|length| text(&datagram[..length])).unwrap();
    let by_udp = udp.recv(&mut datagram).map(|length| text(&datagram[..length])).unwrap();
    let (mut stream, _) = tcp.accept().unwrap();
    let mut by_tcp = String::new();
    while !by_tcp.ends_with('}') {
        let length = stream.read(&mut datagram).unwrap();
        assert!(length > 0, "{by_tcp}");
        by_tcp.push_str(&text(&datagram[..length]));
    }
    let (length, by_tcp) = by_tcp.split_once(' ').unwrap();
    assert_eq!(length.parse(), Ok(by_tcp.len()), "octets are counted");
    for line in [&by_unix, &by_udp, by_tcp] {
        // The severity of an error, and version 1.
        assert!(line.starts_with('<') && line.contains(">1 2"), "{line}");
        assert!(line.contains(r#""msg":"line 0""#), "{line}");
    }
}

#[test]
fn a_file_of_an_earlier_day_is_set_aside_and_one_whose_place_is_gone_made_anew() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("log");
    fs::create_dir(&place).unwrap();
    let path = place.join("app.log");
    fs::write(&path, "of yesterday\n").unwrap();
    let yesterday = SystemTime::now() - Duration::from_secs(86_400);
    fs::File::options().append(true).open(&path).unwrap().set_modified(yesterday).unwrap();
    let server = start(&format!(
        "[[logs.sink]]\ntype = 'file'\nname = 'daily'\npath = {path:?}\nrotate_every = '1d'\ncompress = 'off'"
    ));
    assert_eq!(server.get("/log").status, 200);
    until("today has its own", || {
        let today = fs::read_to_string(&path).unwrap_or_default();
        (today.contains("line 0") && !today.contains("of yesterday")).then_some(())
    });
    let old = fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().path()).find(|other| *other != path);
    assert_eq!(fs::read_to_string(old.unwrap()).unwrap(), "of yesterday\n");
    // Where it should be set aside to, and where it is, is taken away.
    fs::remove_dir_all(&place).unwrap();
    until("it is there again", || {
        assert_eq!(server.get("/log").status, 200);
        fs::read_to_string(&path).is_ok_and(|text| text.contains("line 0")).then_some(())
    });
    assert_eq!(figures(&server, "daily")["dropped_lines"], 0);
}

/// A file system of its own, which is small.
struct Small<'a>(&'a Path);

impl<'a> Small<'a> {
    /// `None`: only root can make one.
    fn mount(place: &'a Path) -> Option<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=256k", "plimsoll-test"]).arg(place);
        let is_mounted =
            rustix::process::geteuid().is_root() && mount.status().is_ok_and(|status| status.success());
        is_mounted.then(|| Self(place))
    }
}

impl Drop for Small<'_> {
    fn drop(&mut self) {
        // Whoever still has a file there lets go of it later.
        let _unmounted = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

#[test]
fn what_a_full_disk_has_no_room_for_waits_and_no_line_is_torn() {
    let directory = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(directory.path()) else {
        eprintln!("skipped: a small file system can only be made by root");
        return;
    };
    let (path, filler) = (small.0.join("app.log"), small.0.join("filler"));
    fs::write(&filler, vec![0; 128 * 1024]).unwrap();
    let server = start(&format!("[[logs.sink]]\ntype = 'file'\nname = 'small'\npath = {path:?}"));
    let pad = "x".repeat(100);
    for _ in 0..10 {
        assert_eq!(server.get(&format!("/log?lines=90&pad={pad}")).status, 200);
        // Batches: what does not fit is written when there is room, with what has come since.
        until("it has been read", || {
            let waits = figures(&server, "small")["queue_bytes"].as_u64() > Some(0);
            (waits || fs::metadata(&path).is_ok_and(|file| file.len() > 0)).then_some(())
        });
    }
    server.wait_for_stderr("logs to small: ");
    assert!(server.stderr().contains("No space left on device"), "{}", server.stderr());
    let written = fs::read_to_string(&path).unwrap();
    assert!(written.is_empty() || written.ends_with('\n'), "{:?}", written.get(written.len() - 20..));
    until("stdout goes on", || (server.stdout().matches("\"msg\":\"line ").count() == 900).then_some(()));
    fs::remove_file(&filler).unwrap();
    server.wait_for_stderr("logs to small are delivered again");
    until("all is there", || {
        let text = fs::read_to_string(&path).unwrap();
        (text.matches("\"msg\":\"line ").count() == 900).then_some(())
    });
    assert_eq!(figures(&server, "small")["dropped_lines"], 0);
}

#[test]
fn a_full_disk_under_our_own_stdout_tears_and_loses_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(directory.path()) else {
        eprintln!("skipped: a small file system can only be made by root");
        return;
    };
    let (path, filler) = (small.0.join("stdout"), small.0.join("filler"));
    fs::write(&filler, vec![0; 128 * 1024]).unwrap();
    let server = Launch::plimsoll(App::source(APP))
        .under(&["sh", "-c", &format!("exec \"$@\" >> {}", path.display()), "sh"])
        .start();
    let pad = "x".repeat(100);
    assert_eq!(server.get(&format!("/log?lines=1200&pad={pad}")).status, 200);
    server.wait_for_stderr("logs to stdout: No space left on device");
    fs::remove_file(&filler).unwrap();
    server.wait_for_stderr("logs to stdout are delivered again");
    let text = until("each line is there, whole and once", || {
        let text = fs::read_to_string(&path).unwrap();
        (text.lines().count() >= 1200).then_some(text)
    });
    assert_eq!(text.lines().count(), 1200);
    assert!(text.lines().enumerate().all(|(number, line)| line.contains(&format!("\"line {number}\""))));
}

#[test]
fn a_file_that_is_cut_while_the_disk_is_full_has_no_hole() {
    let directory = tempfile::tempdir().unwrap();
    let Some(small) = Small::mount(directory.path()) else {
        eprintln!("skipped: a small file system can only be made by root");
        return;
    };
    let (path, filler) = (small.0.join("app.log"), small.0.join("filler"));
    let server = start(&format!("[[logs.sink]]\ntype = 'file'\nname = 'cut'\npath = {path:?}"));
    assert_eq!(server.get(&format!("/log?lines=300&pad={}", "x".repeat(100))).status, 200);
    until("all is there", || fs::read_to_string(&path).ok()?.contains("line 299").then_some(()));
    // As logrotate does with `copytruncate`, and then something else takes all the room.
    fs::File::options().write(true).open(&path).unwrap().set_len(0).unwrap();
    let _no_room_for_all = fs::write(&filler, vec![0; 1 << 20]);
    assert_eq!(server.get("/log").status, 200);
    server.wait_for_stderr("No space left on device");
    assert_eq!(fs::metadata(&path).unwrap().len(), 0);
    fs::remove_file(&filler).unwrap();
    server.wait_for_stderr("logs to cut are delivered again");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("line 0") && !text.contains('\0'), "{text:?}");
}
