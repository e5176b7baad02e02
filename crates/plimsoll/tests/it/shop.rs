//! `examples/shop` under Plimsoll, with one of its faults switched on or none, and clients that ask for everything.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{App, Database, Launch, Server, meanwhile, pause};

const STOCK: &str = include_str!("../../../../examples/shop/stock.js");

/// What the shop is asked for, by as many clients.
const ASKED: [&str; 4] = ["/products/1", "/orders/1?ms=20", "/orders/2?ms=20", "/orders"];

/// Each client takes a breath between two requests: the shop is busy, and not overrun.
const BREATH: Duration = Duration::from_millis(15);

pub(crate) struct Shop {
    pub(crate) server: Server,
    _stock: Server,
}

impl Shop {
    pub(crate) fn open(database: &Database, fault: Option<&str>) -> Self {
        let stock = Launch::plain(App::source(STOCK)).env("STOCK_MS", "5").start();
        let launch = Launch::plimsoll(App::Example("shop")).workers(2);
        let launch = launch.env("PLIMSOLL_SHUTDOWN_WORKER_GRACE", "200ms");
        let launch = launch.env("STOCK_URL", format!("http://127.0.0.1:{}", stock.port()));
        let launch = match fault {
            // With so little room for the young each Node has much to collect, also where it is good at it.
            Some("memory") => launch.env("NODE_OPTIONS", "--max-semi-space-size=1"),
            _ => launch,
        };
        let launch = fault.into_iter().fold(launch, |launch, fault| launch.env("SHOP_FAULT", fault));
        let server = database.used_by(launch).start();
        server.workers(2);
        Self { server, _stock: stock }
    }

    /// Asks for everything again and again while `act` runs.
    pub(crate) fn asked_meanwhile<T>(&self, act: impl FnOnce() -> T) -> T {
        let clients = ASKED.iter().map(|target| {
            let mut client = self.server.connect();
            move || {
                client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
                assert_eq!(client.response("GET").status, 200, "{target}");
                pause(BREATH);
            }
        });
        meanwhile(clients, act)
    }

    pub(crate) fn findings(&self) -> Value {
        self.server.findings()
    }
}

/// Findings, what hurts most first. That the Node that runs the tests is old is no fault of the shop, nor that the machine leaves it
/// without a processor for a while: a loop stands still then, in nothing that anybody could name.
pub(crate) fn of_the_shop(findings: &Value) -> Vec<Value> {
    let all = findings["findings"].as_array().unwrap().iter();
    let is_of_the_machine = |finding: &&Value| {
        let code = &finding["code"];
        code == "node_old" || code == "cpu_starved" || (code == "stall" && finding["at"].is_null())
    };
    all.filter(|finding| !is_of_the_machine(finding)).cloned().collect()
}

pub(crate) fn codes(findings: &Value) -> Vec<String> {
    let all = of_the_shop(findings);
    all.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}
