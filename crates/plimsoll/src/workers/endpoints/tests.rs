use std::cell::RefCell;
use std::time::Instant;

use plimsoll_wire::message::FromAgent;

use super::*;
use crate::concerns::event_loop::incident::Ordered;

/// Records what the gateway was told; `refuse` are addresses it cannot bind.
#[derive(Default)]
struct Told {
    log: RefCell<Vec<String>>,
    refuse: Vec<(&'static str, i32)>,
}

impl Front for Told {
    fn listen(&self, endpoint: EndpointId, bind: &Bind, _kind: ServerKind) -> io::Result<SocketAddr> {
        let text = bind.address.to_string();
        if let Some((_, number)) = self.refuse.iter().find(|(address, _)| *address == text) {
            return Err(io::Error::from_raw_os_error(*number));
        }
        self.log.borrow_mut().push(format!("listen {} {text}", endpoint.0));
        Ok(bind.address)
    }
    fn close(&self, endpoint: EndpointId) {
        self.log.borrow_mut().push(format!("close {}", endpoint.0));
    }
    fn add(&self, endpoint: EndpointId, worker: WorkerId, target: Target) {
        let target = match target {
            Target::Unix { path, .. } => path.display().to_string(),
            Target::Tcp(address) => address.to_string(),
        };
        self.log.borrow_mut().push(format!("add {} worker {worker} {target}", endpoint.0));
    }
    fn remove(&self, endpoint: EndpointId, worker: WorkerId) {
        self.log.borrow_mut().push(format!("remove {} worker {worker}", endpoint.0));
    }
    fn forget(&self, _worker: WorkerId) {}
    fn drain(&self) {}
    fn abort(&self) {}
    fn requests_by_route(&self) -> Vec<(String, u64)> {
        Vec::new()
    }

    fn find_route(&self, _method: &str, _path: &str) -> Option<String> {
        None
    }

    fn requests_of(&self, _worker: WorkerId) -> u64 {
        0
    }

    fn expect_work(&self) {}

    async fn work_came(&self) {
        std::future::pending().await
    }

    fn connections_open(&self) -> u64 {
        0
    }
    fn is_idle(&self, _worker: WorkerId) -> bool {
        true
    }
    fn in_flight(&self) -> u64 {
        0
    }
    fn requests_ended(&self) -> u64 {
        0
    }
    fn stall(&self, _: WorkerId, _: u32, _: &FromAgent, _: Option<Ordered>) {}
    fn large_body(&self, _worker: WorkerId, _slot: u16, _word: u32, _bytes: u64) {}
    fn route_of(&self, _worker: WorkerId, _slot: u16, _word: u32) -> Option<String> {
        None
    }
    fn span(&self, _worker: WorkerId, _span: plimsoll_wire::spans::Span) {}
    fn route(&self, _method: &str, _path: &str, _route: &str) {}
    fn stopped(&self, _worker: WorkerId, _since: Instant) {}
    fn runs(&self, _worker: WorkerId, _stopped_since: Instant) {}
}

impl Told {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.log.borrow_mut())
    }
}

fn key(worker: u16, server: u32) -> ServerKey {
    ServerKey { worker: WorkerId { index: worker, incarnation: 1 }, channel: 1, server }
}

fn listen(host: &str, port: u16, server: u32) -> Listen {
    let path = format!("/d/{server}.s").into();
    let kind = ServerKind::Http;
    Listen { server, kind, host: host.into(), port, ipv6_only: false, backlog: 0, path }
}

fn open(
    endpoints: &mut Endpoints,
    told: &Told,
    worker: u16,
    server: u32,
    host: &str,
) -> Result<String, &'static str> {
    let bound =
        endpoints.open(key(worker, server), &listen(host, 3000, server), Path::new("/d"), None, told)?;
    Ok(format!("{} {} {}", bound.address, bound.port, bound.family))
}

#[test]
fn the_same_address_of_all_workers_is_one_endpoint() {
    let (mut endpoints, told) = (Endpoints::default(), Told::default());
    assert_eq!(open(&mut endpoints, &told, 0, 1, ""), Ok(":: 3000 IPv6".into()));
    assert_eq!(open(&mut endpoints, &told, 1, 1, ""), Ok(":: 3000 IPv6".into()));
    assert_eq!(told.take(), ["listen 0 [::]:3000", "add 0 worker 0 /d/1.s", "add 0 worker 1 /d/1.s"]);
    assert_eq!(open(&mut endpoints, &told, 1, 2, ""), Err("EADDRINUSE"), "as without us");
}

#[test]
fn two_hosts_are_two_endpoints() {
    let (mut endpoints, told) = (Endpoints::default(), Told::default());
    assert_eq!(open(&mut endpoints, &told, 0, 1, "127.0.0.1"), Ok("127.0.0.1 3000 IPv4".into()));
    assert_eq!(open(&mut endpoints, &told, 0, 2, "::1"), Ok("::1 3000 IPv6".into()));
    assert_eq!(told.take().iter().filter(|line| line.starts_with("listen")).count(), 2);
}

#[test]
fn without_ipv6_it_is_ipv4_for_all_workers() {
    let told = Told { refuse: vec![("[::]:3000", 97)], ..Told::default() };
    let mut endpoints = Endpoints::default();
    for worker in [0, 1] {
        assert_eq!(open(&mut endpoints, &told, worker, 1, ""), Ok("0.0.0.0 3000 IPv4".into()));
    }
    assert_eq!(told.take().first().map(String::as_str), Some("listen 0 0.0.0.0:3000"));
}

#[test]
fn without_ipv6_our_own_port_alone_is_ipv4_and_the_app_sees_what_it_asked_for() {
    let told = Told { refuse: vec![("[::]:80", 97)], ..Told::default() };
    let mut endpoints = Endpoints::new(Some("[::]:80".parse().unwrap()));
    let only_ipv6 = Listen { ipv6_only: true, ..listen("::", 3000, 1) };
    let bound = endpoints.open(key(0, 1), &only_ipv6, Path::new("/d"), None, &told).unwrap();
    assert_eq!(
        (bound.address.as_str(), bound.family, bound.public.to_string()),
        ("::", "IPv6", "0.0.0.0:80".into())
    );
    assert_eq!(told.take(), ["listen 0 0.0.0.0:80", "add 0 worker 0 /d/1.s"]);
}

#[test]
fn without_ipv6_an_app_that_names_it_gets_the_error() {
    let told = Told { refuse: vec![("[::]:3000", 97)], ..Told::default() };
    assert_eq!(open(&mut Endpoints::default(), &told, 0, 1, "::"), Err("EAFNOSUPPORT"));
    assert!(told.take().is_empty());
}

#[test]
fn errors_of_the_gateway_are_the_errors_of_the_app() {
    for (number, name) in [(98, "EADDRINUSE"), (13, "EACCES"), (99, "EADDRNOTAVAIL")] {
        let told = Told { refuse: vec![("10.0.0.1:3000", number)], ..Told::default() };
        assert_eq!(open(&mut Endpoints::default(), &told, 0, 1, "10.0.0.1"), Err(name));
        assert!(told.take().is_empty());
    }
}

#[test]
fn listen_overrides_the_first_endpoint_at_all_its_hosts() {
    let told = Told::default();
    let mut endpoints = Endpoints::new(Some("0.0.0.0:80".parse().unwrap()));
    assert_eq!(open(&mut endpoints, &told, 0, 1, "127.0.0.1"), Ok("127.0.0.1 3000 IPv4".into()));
    assert_eq!(open(&mut endpoints, &told, 0, 2, "::1"), Ok("::1 3000 IPv6".into()));
    assert_eq!(told.take(), ["listen 0 0.0.0.0:80", "add 0 worker 0 /d/1.s"]);
    endpoints.close(key(0, 1), &told);
    assert_eq!(told.take(), ["add 0 worker 0 /d/2.s"], "its other server takes over");
    let other = listen("127.0.0.1", 4000, 3);
    endpoints.open(key(0, 3), &other, Path::new("/d"), None, &told).unwrap();
    assert_eq!(told.take().first().map(String::as_str), Some("listen 1 127.0.0.1:4000"));
}

#[test]
fn the_last_close_closes_and_a_death_does_not() {
    let (mut endpoints, told) = (Endpoints::default(), Told::default());
    open(&mut endpoints, &told, 0, 1, "").unwrap();
    open(&mut endpoints, &told, 1, 1, "").unwrap();
    told.take();
    endpoints.close(key(0, 1), &told);
    assert_eq!(told.take(), ["remove 0 worker 0"]);
    endpoints.lose_worker(key(1, 1).worker, &told);
    assert_eq!(told.take(), ["remove 0 worker 1"]);
    open(&mut endpoints, &told, 2, 1, "").unwrap();
    assert_eq!(told.take(), ["add 0 worker 2 /d/1.s"], "the socket was still open");
    endpoints.close(key(2, 1), &told);
    assert_eq!(told.take(), ["remove 0 worker 2", "close 0"]);
    open(&mut endpoints, &told, 2, 2, "").unwrap();
    assert_eq!(told.take().first().map(String::as_str), Some("listen 1 [::]:3000"));
}

#[test]
fn what_a_hostile_agent_asks_for_is_refused() {
    let (mut endpoints, told) = (Endpoints::default(), Told::default());
    let elsewhere = Listen { path: "/var/run/other.sock".into(), ..listen("", 3000, 1) };
    let climbing = Listen { path: "/d/../x".into(), ..listen("", 3000, 1) };
    for wrong in [elsewhere, climbing, listen("", 0, 1)] {
        assert_eq!(endpoints.open(key(0, 1), &wrong, Path::new("/d"), None, &told), Err("EINVAL"));
    }
    assert_eq!(open(&mut endpoints, &told, 0, 1, "localhost"), Err("EADDRNOTAVAIL"));
    for port in 1..=64 {
        endpoints.open(key(0, port), &listen("", port as u16, port), Path::new("/d"), None, &told).unwrap();
    }
    assert_eq!(endpoints.open(key(0, 65), &listen("", 65, 65), Path::new("/d"), None, &told), Err("EMFILE"));
}
