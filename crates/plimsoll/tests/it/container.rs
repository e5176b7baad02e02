//! What is special in a container: being its first process, and its memory.
//!
//! Both need rights that not every machine gives. Where they are missing a test says so and passes: what it would
//! have shown is covered without them by `stop` (orphans, signals) and by the tables of `workers::report`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::harness::{App, Launch, descendants, signal, until};

/// Makes an orphan that ends, on demand, and counts the processes that have ended and that nobody has reaped.
const ORPHANS: &str = "
const fs = require('node:fs');
const { spawn } = require('node:child_process');
const stat = (pid) => { try { return fs.readFileSync(`/proc/${pid}/stat`, 'utf8') } catch { return '' } };
const zombies = () => fs.readdirSync('/proc').filter((pid) => /^[0-9]+$/.test(pid) && stat(pid).includes(') Z ')).length;
const routes = {
  '/first': (response) => response.end(fs.readFileSync('/proc/1/comm', 'utf8').trim()),
  '/orphan': (response) => spawn('sh', ['-c', 'sleep 0.05 & exit']).on('exit', () => response.end('made')),
  '/zombies': (response) => response.end(String(zombies())),
  '/slow': (response) => { console.log('slow started'); setTimeout(() => response.end('slow but done'), 500) },
};
const server = require('node:http').createServer((request, response) => routes[request.url](response));
process.on('SIGTERM', () => { console.log('told to stop'); server.close(() => process.exit(0)) });
server.listen(process.env.PORT);
";

/// A command that makes what it starts the first process of a namespace; `None`: it is not permitted.
fn unshare() -> Option<Vec<&'static str>> {
    let plain = vec!["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let mapped = [plain.as_slice(), &["--user", "--map-root-user"]].concat();
    [plain, mapped].into_iter().find(|words| {
        let tried = Command::new(words[0]).args(&words[1..]).arg("true").output();
        tried.is_ok_and(|output| output.status.success())
    })
}

#[test]
fn as_the_first_process_it_reaps_orphans_passes_the_signal_on_and_drains() {
    let Some(unshare) = unshare() else {
        return eprintln!("skipped: process namespaces are not permitted here (unshare --pid)");
    };
    let mut server = Launch::plimsoll(App::source(ORPHANS)).under(&unshare).start();
    assert_eq!(server.get("/first").text(), "plimsoll");
    for _ in 0..3 {
        assert_eq!(server.get("/orphan").text(), "made");
    }
    // `sh`, its `sleep`, and in between nobody: what is left is the app, Plimsoll, and no zombie.
    until("the orphans are reaped", || {
        let below = descendants(server.pid()).len();
        (below == 2 && server.get("/zombies").text() == "0").then_some(())
    });
    let mut client = server.connect();
    client.send("GET /slow HTTP/1.1\r\nHost: a\r\n\r\n");
    server.wait_for_stdout("slow started");
    // From outside, as a container's runtime does it: `unshare` itself passes no signal on.
    signal(descendants(server.pid())[0], Signal::TERM);
    assert_eq!(client.response("GET").text(), "slow but done");
    assert_eq!(server.exit_code(), 0);
    assert!(server.stdout().contains("told to stop"), "the worker was told too");
    assert!(server.stderr().contains(" finished, 0 cut, in "), "{}", server.stderr());
}

/// A group for memory, gone at the end.
struct Group(PathBuf);

impl Group {
    /// `None`: there is none to be had here, and why.
    fn with_memory(bytes: u64) -> Result<Self, String> {
        let name = format!("plimsoll-test-{}", std::process::id());
        // Version 1, then version 2, where the root must hand the controller down.
        let places = [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        let mut why = String::new();
        for (root, limit) in
            places.into_iter().filter(|(root, _)| Path::new(root).join("cgroup.procs").exists())
        {
            let group = Self(Path::new(root).join(&name));
            match fs::create_dir(&group.0).and_then(|()| fs::write(group.0.join(limit), bytes.to_string())) {
                Ok(()) => {
                    // Swapping instead of being killed would take for ever.
                    let _no_swap_here = fs::write(group.0.join("memory.swap.max"), "0");
                    return Ok(group);
                }
                Err(error) => why = format!("{}: {error}", group.0.display()),
            }
        }
        Err(if why.is_empty() { "no memory controller is mounted".to_owned() } else { why })
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Processes leave a group a moment after they have ended.
        let _ = (0..100).find(|_| {
            crate::harness::pause(std::time::Duration::from_millis(10));
            fs::remove_dir(&self.0).is_ok()
        });
    }
}

/// The buffers are not in the heap of V8, so that it is the kernel who ends it.
#[test]
fn a_worker_that_the_kernel_killed_for_memory_is_told_as_such() {
    let group = match Group::with_memory(256 << 20) {
        Ok(group) => group,
        Err(why) => return eprintln!("skipped: no group with a memory limit can be made here ({why})"),
    };
    let app = "
        const kept = [];
        require('node:http').createServer((request, response) => {
          if (request.url === '/') return response.end('ok');
          for (;;) kept.push(Buffer.alloc(8 << 20, 1));
        }).listen(process.env.PORT);";
    let enter = format!("echo $$ > {}/cgroup.procs && exec \"$0\" \"$@\"", group.0.display());
    let server = Launch::plimsoll(App::source(app)).under(&["sh", "-c", &enter]).start();
    let mut client = server.connect();
    client.send("GET /eat HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.response("GET").error_code(), Some("worker_died"));
    let told =
        "it was running 1 request; the kernel killed it because the memory of the container was used up";
    server.wait_for_stderr(told);
    // And is replaced.
    until("another worker serves", || (server.get("/").text() == "ok").then_some(()));
    drop(server);
}
