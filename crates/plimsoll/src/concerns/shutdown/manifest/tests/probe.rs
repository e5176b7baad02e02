//! Probes.

use super::{Code, GOOD, Pod, READY, Settings, check, settings};

#[test]
fn probes_ask_somebody_who_knows() {
    use Code::{LivenessThroughApp, ProbeBlind, ProbePath, ProbePort, ProbeTimeout};
    for (probe, expected) in [
        ("livenessProbe: { httpGet: { path: /livez, port: 9797 } }", &[][..]),
        ("livenessProbe: { httpGet: { path: /healthz, port: 9797 } }", &[]),
        ("livenessProbe: { httpGet: { path: /readyz, port: 9797 } }", &[ProbePath]),
        ("livenessProbe: { httpGet: { path: /live, port: 9797 } }", &[ProbePath]),
        ("livenessProbe: { httpGet: { port: 9797 } }", &[ProbePath]),
        ("livenessProbe: { httpGet: { path: /livez, port: 9797, scheme: HTTPS } }", &[ProbePath]),
        ("livenessProbe: { httpGet: { path: /health, port: 3000 } }", &[LivenessThroughApp]),
        (
            "livenessProbe: { httpGet: { path: /health, port: http }, timeoutSeconds: 9 }",
            &[LivenessThroughApp],
        ),
        ("livenessProbe: { httpGet: { path: /livez, port: admin } }", &[ProbePort]),
        ("livenessProbe: { httpGet: { path: /livez, port: 9798 } }", &[ProbePort]),
        ("livenessProbe: { tcpSocket: { port: 3000 } }", &[ProbeBlind]),
        ("livenessProbe: { tcpSocket: { port: 9797 } }", &[ProbeBlind]),
        ("livenessProbe: { grpc: { port: 3000 } }", &[LivenessThroughApp]),
        ("livenessProbe: { exec: { command: [curl, -f, 'localhost:3000'] } }", &[]),
        ("startupProbe: { httpGet: { path: /readyz, port: 9797 } }", &[]),
        ("startupProbe: { httpGet: { path: /health, port: 3000 } }", &[]),
        ("startupProbe: { httpGet: { path: /, port: 9797 } }", &[ProbePath]),
    ] {
        check(&Pod { probes: &format!("{probe}\n      {READY}"), ..GOOD }, &settings(), expected);
    }
    for (probes, expected) in [
        ("", &[Code::ReadinessMissing][..]),
        ("readinessProbe: { httpGet: { path: /livez, port: 9797 } }", &[ProbePath]),
        ("readinessProbe: { httpGet: { path: /ready, port: 3000 } }", &[ProbeTimeout]),
        ("readinessProbe: { httpGet: { path: /ready, port: 3000 }, timeoutSeconds: 3 }", &[]),
        ("readinessProbe: { exec: { command: [true] } }", &[]),
    ] {
        check(&Pod { probes, ..GOOD }, &settings(), expected);
    }
}

#[test]
fn the_admin_server_is_reached_by_the_kubelet() {
    use Code::{AdminUnreachable, ProbePort};
    let both = format!("livenessProbe: {{ httpGet: {{ path: /livez, port: 9797 }} }}\n      {READY}");
    let of_node = "{ terminationGracePeriodSeconds: 35, hostNetwork: true }";
    let on_loopback = "readinessProbe: { httpGet: { path: /readyz, port: 9797, host: 127.0.0.1 } }";
    for (admin, pod, probes, expected) in [
        (Some("127.0.0.1:9797"), GOOD.pod, both.as_str(), &[AdminUnreachable][..]),
        (Some("[::1]:9797"), GOOD.pod, READY, &[AdminUnreachable]),
        (Some("[::]:9797"), GOOD.pod, &both, &[]),
        (Some("0.0.0.0:9900"), GOOD.pod, READY, &[ProbePort]),
        (None, GOOD.pod, READY, &[AdminUnreachable]),
        (Some("127.0.0.1:9797"), GOOD.pod, on_loopback, &[AdminUnreachable]),
        (Some("127.0.0.1:9797"), of_node, on_loopback, &[]),
        (Some("127.0.0.1:9797"), GOOD.pod, "", &[Code::ReadinessMissing]),
    ] {
        let settings = Settings { admin: admin.map(|admin| admin.parse().unwrap()), ..settings() };
        let pod = match pod.strip_prefix('{') {
            Some(pod) => pod.trim_end_matches('}').trim().replace(", ", "\n  "),
            None => pod.to_owned(),
        };
        check(&Pod { pod: &pod, probes, ..GOOD }, &settings, expected);
    }
}
