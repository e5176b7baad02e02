use std::fs::{DirBuilder, Permissions, set_permissions};
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use super::*;
use crate::observe::control;
use crate::observe::status::fixture;
use crate::observe::testing::app_loop;

fn named(names: &[&str]) -> Vec<Instance> {
    names.iter().map(|name| Instance::new(*name, Path::new("/nowhere"))).collect()
}

/// What a person reads: the error and its hint.
fn told(error: &Error) -> String {
    format!("{error}{}", error.hint())
}

#[test]
fn one_instance_needs_no_name_and_several_do() {
    let choose = |running: &[&str], name| {
        pick::choose(named(running), name).map(|instance| instance.name).map_err(|error| told(&error))
    };
    let refused = |text: &str| Err::<String, _>(text.to_owned());
    let none = "no instance is running\n hint: start one with: plimsoll run -- COMMAND";
    assert_eq!(choose(&[], None), refused(none));
    assert_eq!(choose(&["shop"], None), Ok("shop".into()));
    assert_eq!(choose(&["shop", "till"], Some("till")), Ok("till".into()));
    let several = "2 instances are running\n hint: choose one with --name: shop, till";
    assert_eq!(choose(&["shop", "till"], None), refused(several));
    let unknown = "no instance named x is running\n hint: running: shop";
    assert_eq!(choose(&["shop"], Some("x")), refused(unknown));
    assert_eq!(choose(&[], Some("x")), refused("no instance named x is running\n hint: none is running"));
}

#[test]
fn a_socket_that_was_left_behind_is_no_instance() {
    let base = tempfile::tempdir().unwrap();
    set_permissions(base.path(), Permissions::from_mode(0o700)).unwrap();
    for name in ["left", "shop", "no-socket"] {
        DirBuilder::new().mode(0o700).create(base.path().join(name)).unwrap();
    }
    drop(UnixListener::bind(base.path().join("left").join(socket::FILE_NAME)).unwrap());
    let _listener = UnixListener::bind(base.path().join("shop").join(socket::FILE_NAME)).unwrap();
    let running = pick::running(directories::in_bases(&[base.path().to_owned()]));
    assert_eq!(running.iter().map(|instance| instance.name.as_str()).collect::<Vec<_>>(), ["shop"]);
}

#[test]
fn what_somebody_else_could_have_put_there_is_no_instance() {
    let directory = tempfile::tempdir().unwrap();
    let base = directory.path().join("plimsoll-0");
    let (shop, open, link) = (base.join("shop"), base.join("open"), base.join("link"));
    for path in [&base, &shop, &open] {
        DirBuilder::new().mode(0o700).create(path).unwrap();
    }
    set_permissions(&open, Permissions::from_mode(0o755)).unwrap();
    symlink(&shop, &link).unwrap();
    let found = |base: &Path| {
        let found = directories::in_bases(&[base.to_owned()]);
        found.into_iter().map(|(name, _)| name).collect::<Vec<_>>()
    };
    assert_eq!(found(&base), ["shop"]);
    let linked = directory.path().join("plimsoll-1");
    symlink(&base, &linked).unwrap();
    assert!(found(&linked).is_empty(), "the base is a link");
    set_permissions(&base, Permissions::from_mode(0o770)).unwrap();
    assert!(found(&base).is_empty(), "others may write to the base");
}

#[test]
fn an_instance_that_is_reached_in_two_ways_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let (real, link) = (directory.path().join("real"), directory.path().join("link"));
    DirBuilder::new().mode(0o700).recursive(true).create(real.join("plimsoll-0/shop")).unwrap();
    symlink(&real, &link).unwrap();
    let bases = [&link, &real, &link].map(|base| base.join("plimsoll-0"));
    let found = directories::in_bases(&bases);
    assert_eq!(found, [("shop".to_owned(), link.join("plimsoll-0/shop"))]);
}

#[test]
fn an_instance_that_hangs_is_said_to() {
    let directory = tempfile::tempdir().unwrap();
    let _never_accepts = UnixListener::bind(directory.path().join(socket::FILE_NAME)).unwrap();
    let instance = Instance::new("shop", directory.path());
    let stream = instance.connect().unwrap();
    let error = instance
        .ask::<Status>(stream, "GET", socket::STATUS_PATH, Some(Duration::from_millis(20)))
        .unwrap_err();
    assert!(told(&error).starts_with("instance shop did not answer within 5s\n hint: it hangs"), "{error}");
}

#[test]
fn an_answer_is_a_status_and_a_body() {
    for (answer, expected) in [
        ("HTTP/1.0 200 OK\r\na: b\r\n\r\nbody", Some((200, "body"))),
        ("HTTP/1.0 503 x\r\n\r\n", Some((503, ""))),
        ("HTTP/1.0 200 OK\r\n", None),
        ("rubbish\r\n\r\n", None),
        ("", None),
    ] {
        assert_eq!(split(answer), expected, "{answer}");
    }
}

#[tokio::test]
async fn status_and_stop_reach_the_app_loop_and_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let listener = socket::bind(directory.path()).unwrap();
    // A number that no process has: there is nothing to wait for.
    let status = Status { pid: u32::MAX, ..fixture() };
    let (inquiry, requests) = control::channel();
    tokio::spawn(app_loop(requests, status.clone()));
    tokio::spawn(socket::serve(listener, inquiry, std::sync::Arc::default(), std::future::pending()));

    let instance = Instance::new("shop", directory.path());
    let asking = tokio::task::spawn_blocking(move || {
        (instance.status(), instance.stop(Haste::Drain), instance.stop(Haste::Now))
    });
    let (first, stopped, again) = asking.await.unwrap();
    assert_eq!(first.unwrap(), status);
    let stopped = stopped.unwrap();
    assert_eq!((stopped.exit_code, stopped.message.as_str()), (0, "drained: 3 requests finished"));
    assert_eq!(told(&again.unwrap_err()), "instance shop: the app loop has ended");
}

#[test]
fn a_process_that_is_gone_is_not_waited_for() {
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let process = Process::open(child.id());
    child.wait().unwrap();
    assert!(process.wait(), "it is seen to be gone");
    assert!(!Process::open(u32::MAX).wait(), "there is nothing to hold");
}
