use plimsoll::{config, gateway::*, ids::*};
fn main() {
    let mut a = std::env::args().skip(1);
    let listen: std::net::SocketAddr = a.next().unwrap().parse().unwrap();
    let g = Gateway::start(&config::Gateway::default()).unwrap();
    g.listen(EndpointId(1), &Bind { address: listen, ipv6_only: false, backlog: 0 }, Protocol::Http).unwrap();
    for (i, p) in a.enumerate() {
        g.add_worker(EndpointId(1), WorkerId { index: i as u16, incarnation: 1 }, &Target::Unix(p.into()), &Default::default());
    }
    loop { std::thread::park() }
}
