use std::future::pending;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::observe::control;
use crate::observe::status::fixture;
use crate::observe::testing::app_loop;

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

async fn exchange(path: &Path, request: &str) -> String {
    let mut stream = UnixStream::connect(path).await.unwrap();
    stream.write_all(format!("{request} HTTP/1.0\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone() {
    let directory = directory();
    let _listener = bind(directory.path()).unwrap();
    let mode = std::fs::metadata(directory.path().join(FILE_NAME)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(bind(directory.path()).is_err(), "a second instance took the first one's socket");
}

#[test]
fn only_the_owner_and_root_may_control() {
    for (peer, own, may) in [(1000, 1000, true), (0, 1000, true), (1001, 1000, false), (1000, 0, false)] {
        assert_eq!(may_control(peer, own), may, "{peer} at {own}");
    }
}

#[tokio::test]
async fn verbs_are_routes_with_one_method_each() {
    let directory = directory();
    let listener = bind(directory.path()).unwrap();
    let (inquiry, requests) = control::channel();
    tokio::spawn(app_loop(requests, fixture()));
    tokio::spawn(serve(listener, inquiry, std::sync::Arc::default(), pending()));
    let path = directory.path().join(FILE_NAME);
    for (request, head, part) in [
        ("GET /status", "HTTP/1.0 200", r#""name":"shop""#),
        ("POST /status", "HTTP/1.0 405", "allow: GET\r\n"),
        ("GET /stop", "HTTP/1.0 405", "allow: POST\r\n"),
        ("POST /fly", "HTTP/1.0 404", "this build knows no /fly"),
        ("GET /reload", "HTTP/1.0 405", "allow: POST\r\n"),
        ("POST /reload?surge=x", "HTTP/1.0 400", "surge must be a number"),
        ("POST /scale?workers=0", "HTTP/1.0 400", "workers must be a number"),
        (
            "POST /reload?env=A%3D1",
            "HTTP/1.0 200",
            "{\"line\":\"worker 0: a new process starts\"}\n{\"exit_code\":0,\"message\":\"reloaded Reload",
        ),
        (
            "POST /scale?workers=3",
            "HTTP/1.0 200",
            "\r\n\r\n{\"exit_code\":0,\"message\":\"scaled: 3 workers\"}\n",
        ),
        ("GET /profile", "HTTP/1.0 405", "allow: POST\r\n"),
        ("POST /heap-snapshot?seconds=1", "HTTP/1.0 400", "knows no seconds of a heap snapshot"),
        (
            "POST /profile?seconds=3&worker=0",
            "HTTP/1.0 200",
            r#","taken":{"worker":0,"pid":7,"file":"w0.1/profile-1","directory":"/srv/app"}}"#,
        ),
        (
            "POST /stop?haste=now",
            "HTTP/1.0 200",
            r#"{"exit_code":5,"message":"stopped: 3 requests were cut"}"#,
        ),
        ("GET /status", "HTTP/1.0 503", "the app loop has ended"),
    ] {
        let answer = exchange(&path, request).await;
        assert!(answer.starts_with(head) && answer.contains(part), "{request}: {answer}");
    }
}

#[tokio::test]
async fn the_answer_to_stop_comes_when_everything_is_over_even_if_the_server_stops_with_it() {
    let directory = directory();
    let listener = bind(directory.path()).unwrap();
    let (inquiry, mut requests) = control::channel();
    let (end_server, server_ended) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(serve(listener, inquiry, std::sync::Arc::default(), async {
        let _ = server_ended.await;
    }));
    let path = directory.path().join(FILE_NAME);
    let asking = tokio::spawn(async move { exchange(&path, "POST /stop").await });

    let Some(control::Request::Stop { haste: Haste::Drain, ended }) = requests.recv().await else {
        panic!("not a stop");
    };
    assert!(!asking.is_finished());
    ended.send(control::Ended::new(crate::exit::Exit::Drained, "drained")).unwrap();
    end_server.send(()).unwrap();
    server.await.unwrap();
    assert!(asking.await.unwrap().contains(r#"{"exit_code":0,"message":"drained"}"#));
}
