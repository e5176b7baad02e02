//! The table. `/smuggled` is what an attacker would like to see run.
//!
//! "Node: …" in a comment is what plain Node 20 does where Plimsoll is deliberately stricter: another server
//! in front of or behind Node may understand these bytes otherwise, so none of them is passed on.

use super::cases::{Case, bad, cut, pipelined, refused, same};

const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";

pub(super) fn cases() -> Vec<Case> {
    [
        heads(),
        targets(),
        bodies(),
        answers(),
        connections(),
        bad_heads(),
        bad_lengths(),
        bad_chunks(),
        limits(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn heads() -> Vec<Case> {
    vec![
        same("a plain request", "GET /case HTTP/1.1\r\nHost: a\r\n\r\n"),
        same(
            "order, case and repetition of headers",
            "GET /case HTTP/1.1\r\nX-B: 1\r\nhOsT: a\r\nx-a: 2\r\nX-b: 3\r\nX-A: 4\r\nCookie: a=1\r\ncookie: b=2\r\n\r\n",
        ),
        same("empty values", "GET /case HTTP/1.1\r\nHost: a\r\nX-Empty:\r\nX-Blank:  \r\n\r\n"),
        same("an empty Host", "GET /case HTTP/1.1\r\nHost:\r\n\r\n"),
        same("a Host with a port", "GET /case HTTP/1.1\r\nHost: [::1]:8080\r\n\r\n"),
        same("no space after the colon", "GET /case HTTP/1.1\r\nHost:a\r\nX-Tight:b\r\n\r\n"),
        same(
            "spaces and tabs around and inside values",
            "GET /case HTTP/1.1\r\nHost: a\r\nX-Padded: \t b \t c \t \r\n\r\n",
        ),
        same(
            "bytes above 127 in a value",
            b"GET /case HTTP/1.1\r\nHost: a\r\nX-Obs: caf\xc3\xa9 \xff\r\n\r\n",
        ),
        same(
            "every character a name may have",
            "GET /case HTTP/1.1\r\nHost: a\r\n!#$%&'*+-.^_`|~09azAZ: 1\r\n\r\n",
        ),
        same(
            "a name of 300 bytes",
            format!("GET /case HTTP/1.1\r\nHost: a\r\nX-{}: 1\r\n\r\n", "n".repeat(298)),
        ),
        same(
            "a value of 8 KB",
            format!("GET /case HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "v".repeat(8192)),
        ),
        same("150 headers", format!("GET /case HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-Many: 1\r\n".repeat(149))),
        same(
            "a head of 20 KB, which is over Node's own limit",
            format!("GET /case HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "v".repeat(20_000)),
        ),
        same(
            "forwarding headers",
            "GET /case HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 1.2.3.4\r\nForwarded: for=1.2.3.4\r\nVia: 1.1 x\r\n\r\n",
        ),
        same(
            "a request id",
            "GET /case HTTP/1.1\r\nHost: a\r\nX-Request-Id: 7\r\ntraceparent: 00-1-2-01\r\n\r\n",
        ),
        same(
            "options of Connection",
            "GET /case HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, X-Hop\r\nX-Hop: 1\r\n\r\n",
        ),
        same(
            "TE and Keep-Alive",
            "GET /case HTTP/1.1\r\nHost: a\r\nConnection: TE\r\nTE: trailers\r\nKeep-Alive: timeout=9\r\n\r\n",
        ),
        same("Proxy-Connection", "GET /case HTTP/1.1\r\nHost: a\r\nProxy-Connection: keep-alive\r\n\r\n"),
        same("Max-Forwards is not counted", "OPTIONS /case HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n"),
        same("an empty line before the request", "\r\nGET /case HTTP/1.1\r\nHost: a\r\n\r\n"),
        same("empty lines before the request", "\r\n\r\n\r\nGET /case HTTP/1.1\r\nHost: a\r\n\r\n"),
    ]
}

fn targets() -> Vec<Case> {
    let target = |name, target: &str| same(name, format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let method = |name, method: &str| same(name, format!("{method} /case HTTP/1.1\r\nHost: a\r\n\r\n"));
    vec![
        target("dot segments", "/a/../b/./c/.."),
        target("above the root", "/../../etc/passwd"),
        target("double slashes", "//a///b//"),
        target("a malformed escape", "/%zz/%/%1"),
        target("escaped slashes, dots and NUL", "/%2f/%2e%2e/%00"),
        target("characters that should be escaped", "/a|b\\c^d`e{f}\"<>[]'"),
        target("a query of its own kind", "/case?a=b?c&&=&%zz#frag"),
        target("an empty query", "/case?"),
        target("a semicolon", "/case;jsessionid=1"),
        target("absolute form", "http://other.example:81/case?x=1"),
        target("absolute form in capitals", "HTTP://OTHER.example/case"),
        target("a target of 8 KB", &format!("/{}", "t".repeat(8192))),
        same("asterisk form", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        same("bytes above 127 in the target", b"GET /caf\xc3\xa9\xff HTTP/1.1\r\nHost: a\r\n\r\n"),
        method("PATCH", "PATCH"),
        method("DELETE", "DELETE"),
        method("TRACE", "TRACE"),
        method("PROPFIND", "PROPFIND"),
        method("M-SEARCH", "M-SEARCH"),
        method("PURGE", "PURGE"),
        method("REPORT", "REPORT"),
        method("a method that Node does not know", "BREW"),
        method("a method in lower case", "get"),
        same("a GET with a body", "GET /case HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
        same("a DELETE with a body", "DELETE /case HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
        same("a HEAD with a body", "HEAD /case HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody"),
    ]
}

fn bodies() -> Vec<Case> {
    let chunked = |name, body: &str| {
        same(name, format!("POST /case HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{body}"))
    };
    vec![
        same("a body", "POST /case HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n123456789"),
        same("an empty body", "POST /case HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"),
        same("no length at all", "POST /case HTTP/1.1\r\nHost: a\r\n\r\n"),
        same(
            "a length with leading zeros",
            "POST /case HTTP/1.1\r\nHost: a\r\nContent-Length: 0004\r\n\r\nbody",
        ),
        same(
            "a body of 1 MB",
            [&b"POST /case HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n"[..], &[7; 1_000_000]]
                .concat(),
        ),
        chunked("chunks", "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
        chunked("no chunk but the last", "0\r\n\r\n"),
        chunked("capital hex digits and leading zeros", "000A\r\n0123456789\r\n00\r\n\r\n"),
        chunked("chunk extensions", "3;a=b;c=\"d\"\r\nabc\r\n0;last\r\n\r\n"),
        chunked("trailers", "3\r\nabc\r\n0\r\nX-Sum: 1\r\nx-sum: 2\r\nX-Other:\r\n\r\n"),
        chunked("chunks of one byte", &format!("{}0\r\n\r\n", "1\r\nx\r\n".repeat(2000))),
        chunked("a chunk of 200 KB", &format!("{:x}\r\n{}\r\n0\r\n\r\n", 200_000, "y".repeat(200_000))),
        same(
            "chunked in other letters",
            "POST /case HTTP/1.1\r\nHost: a\r\ntransfer-encoding: Chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        ),
        same(
            "Expect: 100-continue",
            "POST /case HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\nbody",
        ),
        same(
            "Expect in other letters, chunked",
            "POST /case HTTP/1.1\r\nHost: a\r\nexpect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
        ),
        same(
            "an expectation nobody knows",
            "POST /case HTTP/1.1\r\nHost: a\r\nExpect: tea\r\nContent-Length: 0\r\n\r\n",
        ),
    ]
}

fn answers() -> Vec<Case> {
    let answer = |name, method: &str, answer: &str| {
        same(name, format!("{method} /case HTTP/1.1\r\nHost: a\r\nX-Answer: {answer}\r\n\r\n"))
    };
    vec![
        answer("204", "GET", "no content"),
        answer("304 with the length of what is not sent", "GET", "not modified"),
        answer("205", "GET", "reset content"),
        answer("a status and reason of its own", "GET", "reason"),
        answer("an empty reason", "GET", "no reason"),
        answer("an answer with a length", "GET", "length"),
        answer("an answer of length 0", "GET", "empty length"),
        answer("an answer in chunks", "GET", "chunked"),
        answer("an answer with trailers", "GET", "trailers"),
        answer("order, case and repetition of an answer's headers", "GET", "headers"),
        answer("an answer that closes", "GET", "close"),
        answer("an answer that ends with the connection", "GET", "until close"),
        answer("an answer in another transfer coding", "GET", "gzip"),
        answer("an answer of 300 KB", "GET", "big"),
        answer("an answer without a date", "GET", "no date"),
        answer("103 early hints", "GET", "early hints"),
        answer("102 twice", "GET", "processing"),
        answer("HEAD", "HEAD", "echo"),
        answer("HEAD of an answer with a length", "HEAD", "length"),
        answer("HEAD of an answer in chunks", "HEAD", "chunked"),
        answer("HEAD of 304", "HEAD", "not modified"),
        answer("HEAD with early hints", "HEAD", "early hints"),
    ]
}

fn connections() -> Vec<Case> {
    let old = |name, method: &str, header: &str, answer: &str| {
        same(name, format!("{method} /case HTTP/1.0\r\nX-Answer: {answer}\r\n{header}\r\n"))
    };
    let one = "GET /one HTTP/1.1\r\nHost: a\r\n\r\n";
    vec![
        old("HTTP/1.0", "GET", "", "length"),
        old("HTTP/1.0 with a Host", "GET", "Host: a\r\n", "echo"),
        old("HTTP/1.0 kept alive", "GET", "Connection: keep-alive\r\n", "length"),
        old("HTTP/1.0 kept alive, an answer without length", "GET", "Connection: keep-alive\r\n", "chunked"),
        old("HTTP/1.0, an answer without length", "GET", "", "chunked"),
        old("HTTP/1.0 HEAD kept alive", "HEAD", "Connection: Keep-Alive\r\n", "length"),
        old("HTTP/1.0, 204 kept alive", "GET", "Connection: keep-alive\r\n", "no content"),
        same("HTTP/1.0 with a body", "POST /case HTTP/1.0\r\nContent-Length: 4\r\n\r\nbody"),
        same("Connection: close", "GET /case HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        same("Connection: Close among others", "GET /case HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n"),
        same("HEAD and close", "HEAD /case HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        pipelined("two requests at once", &["GET"; 2], [one, "GET /two HTTP/1.1\r\nHost: a\r\n\r\n"].concat()),
        pipelined("twenty requests at once", &["GET"; 20], one.repeat(20)),
        pipelined(
            "a body, then the next request",
            &["POST", "GET"],
            ["POST /case HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody", one].concat(),
        ),
        pipelined(
            "chunks, trailers, then the next request",
            &["POST", "GET"],
            ["POST /case HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-T: 1\r\n\r\n", one].concat(),
        ),
        pipelined(
            "HEAD, 204 and 304, then the next request",
            &["HEAD", "GET", "GET", "GET"],
            [
                "HEAD /case HTTP/1.1\r\nHost: a\r\nX-Answer: length\r\n\r\n",
                "GET /case HTTP/1.1\r\nHost: a\r\nX-Answer: no content\r\n\r\n",
                "GET /case HTTP/1.1\r\nHost: a\r\nX-Answer: not modified\r\n\r\n",
                one,
            ]
            .concat(),
        ),
        pipelined("an empty line between two requests", &["GET"; 2], [one, "\r\n", one].concat()),
        pipelined(
            "nothing is served after close",
            &["GET"],
            ["GET /case HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", SMUGGLED].concat(),
        ),
        pipelined(
            "nothing is served after an answer that closes",
            &["GET"],
            ["GET /case HTTP/1.1\r\nHost: a\r\nX-Answer: close\r\n\r\n", SMUGGLED].concat(),
        ),
        same(
            "an upgrade that the app does not take",
            "GET /case HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: foo\r\n\r\n",
        ),
        same(
            "an upgrade to h2c that the app does not take",
            "GET /case HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
        ),
        same("Upgrade without Connection", "GET /case HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n"),
    ]
}

fn bad_heads() -> Vec<Case> {
    let head = |name, bytes: &str| bad(name, format!("{bytes}{SMUGGLED}"));
    let header =
        |name, line: &str| bad(name, format!("GET /case HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n{SMUGGLED}"));
    vec![
        // Node: 400, and goes on serving the connection.
        head("no Host", "GET /case HTTP/1.1\r\nX-A: 1\r\n\r\n"),
        // Node: 200, the first counts.
        header("two Hosts", "Host: b"),
        // Node: 200.
        header("two equal Hosts", "host: a"),
        header("a folded line", "X-A: 1\r\n folded"),
        header("a folded line with a tab", "X-A: 1\r\n\tfolded"),
        head("a folded first line", "GET /case HTTP/1.1\r\n Host: a\r\n\r\n"),
        header("a space before the colon", "X-A : 1"),
        header("a tab before the colon", "X-A\t: 1"),
        header("a space in a name", "X A: 1"),
        header("an empty name", ": 1"),
        header("no colon", "X-A"),
        header("a control character in a name", "X-\u{1}A: 1"),
        header("a separator in a name", "X(A): 1"),
        bad("a byte above 127 in a name", b"GET /case HTTP/1.1\r\nHost: a\r\nX-\xe9: 1\r\n\r\n"),
        header("NUL in a value", "X-A: 1\0"),
        header("NUL in a name", "X-\0A: 1"),
        header("a bare CR in a value", "X-A: 1\r2"),
        header("a control character in a value", "X-A: \u{1}"),
        header("DEL in a value", "X-A: \u{7f}"),
        header("a line that ends in LF alone", "X-A: 1\nX-B: 2"),
        head("a request line that ends in LF alone", "GET /case HTTP/1.1\nHost: a\r\n\r\n"),
        head("a head that ends in LF alone", "GET /case HTTP/1.1\r\nHost: a\n\n"),
        head("a bare CR instead of a line end", "GET /case HTTP/1.1\rHost: a\r\n\r\n"),
        head("NUL in the target", "GET /ca\0se HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("a control character in the target", "GET /ca\u{1}se HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("DEL in the target", "GET /ca\u{7f}se HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("a space in the target", "GET /ca se HTTP/1.1\r\nHost: a\r\n\r\n"),
        // Node: 200.
        head("two spaces before the target", "GET  /case HTTP/1.1\r\nHost: a\r\n\r\n"),
        // Node: 200.
        head("two spaces before the version", "GET /case  HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("a tab between the words", "GET\t/case\tHTTP/1.1\r\nHost: a\r\n\r\n"),
        head("a space before the method", " GET /case HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("no target", "GET HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("a target without a slash", "GET case HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("a method with a separator", "GE(T /case HTTP/1.1\r\nHost: a\r\n\r\n"),
        head("HTTP/0.9", "GET /case\r\n"),
        head("HTTP in lower case", "GET /case http/1.1\r\nHost: a\r\n\r\n"),
        head("another protocol", "GET /case ICY/1.1\r\nHost: a\r\n\r\n"),
        refused("HTTP/1.2", &[400, 505], None, "GET /case HTTP/1.2\r\nHost: a\r\n\r\n"),
        // Node: 200.
        refused("HTTP/2.0 in a request line", &[400, 505], None, "GET /case HTTP/2.0\r\nHost: a\r\n\r\n"),
        refused("the preface of HTTP/2", &[400, 505], None, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        bad("a TLS handshake", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03abcdefghijklmnop\r\n\r\n"),
        bad("binary", [0u8, 1, 2, 3, 255, 254, 13, 10, 13, 10]),
        // Node: closes without a word.
        refused(
            "CONNECT",
            &[405],
            Some("connect_refused"),
            format!("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n{SMUGGLED}"),
        ),
    ]
}

fn bad_lengths() -> Vec<Case> {
    let post = |name, headers: &str| {
        bad(name, format!("POST /case HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n0\r\n\r\n{SMUGGLED}"))
    };
    let coding = |name, coding: &'static str| {
        let head = format!("POST /case HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: {coding}\r\n\r\n");
        refused(name, &[400, 501], None, format!("{head}0\r\n\r\n{SMUGGLED}"))
    };
    vec![
        post("a length and chunks", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
        post("chunks and a length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
        post("two lengths", "Content-Length: 5\r\nContent-Length: 6"),
        post("two equal lengths", "Content-Length: 5\r\nContent-Length: 5"),
        post("a list of lengths", "Content-Length: 5, 6"),
        post("a list of equal lengths", "Content-Length: 5, 5"),
        post("a length with a sign", "Content-Length: +5"),
        post("a negative length", "Content-Length: -1"),
        post("an empty length", "Content-Length:"),
        post("a hexadecimal length", "Content-Length: 0x5"),
        post("a length with a fraction", "Content-Length: 5.0"),
        post("a length in words", "Content-Length: five"),
        post("a length with a space inside", "Content-Length: 1 0"),
        post("a length over 64 bits", "Content-Length: 18446744073709551616"),
        post("a length of 30 digits", "Content-Length: 999999999999999999999999999999"),
        // Node: 400, but the handler has run; likewise most codings below.
        bad(
            "HTTP/1.0 with chunks",
            format!("POST /case HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{SMUGGLED}"),
        ),
        coding("the coding identity", "identity"),
        coding("the coding gzip", "gzip"),
        coding("chunks, then identity", "chunked, identity"),
        coding("chunks twice", "chunked, chunked"),
        coding("chunks twice in two lines", "chunked\r\nTransfer-Encoding: chunked"),
        coding("chunks in one line, gzip in another", "chunked\r\nTransfer-Encoding: gzip"),
        coding("xchunked", "xchunked"),
        coding("chunkedx", "chunkedx"),
        coding("chunked with a parameter", "chunked;q=1"),
        coding("chunked in quotes", "\"chunked\""),
        coding("an empty coding", ""),
        coding("a vertical tab before chunked", "\u{b}chunked"),
        // Node: 200.
        coding("a comma before chunked", ", chunked"),
    ]
}

fn bad_chunks() -> Vec<Case> {
    let chunks = |name, body: &str| {
        let head = "POST /case HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
        cut(name, format!("{head}{body}{SMUGGLED}"))
    };
    vec![
        chunks("an empty chunk size", "\r\nabc\r\n0\r\n\r\n"),
        chunks("a negative chunk size", "-1\r\nabc\r\n0\r\n\r\n"),
        chunks("a chunk size with a sign", "+3\r\nabc\r\n0\r\n\r\n"),
        chunks("a chunk size with 0x", "0x3\r\nabc\r\n0\r\n\r\n"),
        chunks("a chunk size that is no number", "g\r\nabc\r\n0\r\n\r\n"),
        chunks("a space before a chunk size", " 3\r\nabc\r\n0\r\n\r\n"),
        chunks("an underscore in a chunk size", "1_0\r\nabc\r\n0\r\n\r\n"),
        chunks("a chunk size of 64 bits and more", "10000000000000003\r\nabc\r\n0\r\n\r\n"),
        chunks("a chunk size of 40 digits", "fffffffffffffffffffffffffffffffffffffff0\r\nabc\r\n0\r\n\r\n"),
        chunks("no line end after a chunk", "3\r\nabc0\r\n\r\n"),
        chunks("a chunk longer than it says", "3\r\nabcd\r\n0\r\n\r\n"),
        chunks("LF alone after a chunk", "3\r\nabc\n0\r\n\r\n"),
        chunks("LF alone after a chunk size", "3\nabc\r\n0\r\n\r\n"),
        chunks("CR alone after a chunk size", "3\rabc\r\n0\r\n\r\n"),
        chunks("LF alone in a chunk extension", "3;a\nabc\r\n0\r\n\r\n"),
        chunks("NUL in a chunk extension", "3;a=\0\r\nabc\r\n0\r\n\r\n"),
        chunks("LF alone after the last chunk", "3\r\nabc\r\n0\n\n"),
        chunks("a folded trailer", "0\r\nX-A: 1\r\n folded\r\n\r\n"),
        chunks("a trailer with a space before the colon", "0\r\nX-A : 1\r\n\r\n"),
        chunks("a trailer without a name", "0\r\n: 1\r\n\r\n"),
        chunks("a trailer with NUL", "0\r\nX-A: \0\r\n\r\n"),
        chunks("a trailer that ends in LF alone", "0\r\nX-A: 1\n\r\n"),
        // Node: 200, up to 16 KB for all extensions of a body.
        chunks("a chunk extension over 4 KB", &format!("3;{}\r\nabc\r\n0\r\n\r\n", "e".repeat(5000))),
        // Node: 200, or 413 in later versions.
        chunks(
            "many chunk extensions, together over what is sensible",
            &format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", "e".repeat(1000)).repeat(40)),
        ),
        chunks(
            "trailers over 64 KB",
            &format!("0\r\n{}\r\n", format!("X-T: {}\r\n", "t".repeat(1000)).repeat(80)),
        ),
    ]
}

fn limits() -> Vec<Case> {
    vec![
        // Node: 431 for everything over 16 KB, here and below.
        refused(
            "a target over 32 KB",
            &[414],
            Some("target_too_long"),
            format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "t".repeat(33 * 1024)),
        ),
        refused(
            "a head over 64 KB",
            &[431],
            Some("head_too_large"),
            format!(
                "GET /case HTTP/1.1\r\nHost: a\r\n{}\r\n",
                format!("X-H: {}\r\n", "h".repeat(1000)).repeat(70)
            ),
        ),
        refused(
            "one header line that never ends",
            &[431],
            Some("head_too_large"),
            format!("GET /case HTTP/1.1\r\nHost: a\r\nX-H: {}", "h".repeat(80 * 1024)),
        ),
        refused("a method that never ends", &[400, 414, 431], None, "M".repeat(80 * 1024)),
        // Node: 200, up to 2,000 headers.
        refused(
            "more than 200 headers",
            &[431],
            Some("head_too_large"),
            format!("GET /case HTTP/1.1\r\nHost: a\r\n{}\r\n{SMUGGLED}", "X-Many: 1\r\n".repeat(220)),
        ),
    ]
}
