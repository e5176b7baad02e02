//! How values are written.

use std::time::Duration;

use proptest::prelude::*;

use super::{flag, load_file, row};
use crate::config::settings::all;
use crate::config::units::{read_duration, read_size, write_duration, write_size};
use crate::config::{Config, Sources, load};

#[test]
fn an_address_may_be_a_port() {
    for (text, expected) in [
        ("8080", "[::]:8080"),
        (":8080", "[::]:8080"),
        ("0.0.0.0:80", "0.0.0.0:80"),
        ("[::]:80", "[::]:80"),
        ("[::1]:0", "[::1]:0"),
        ("localhost:80", "127.0.0.1:80"),
        ("app", "app"),
    ] {
        let effective = load(&flag("gateway.listen", text)).unwrap();
        assert_eq!(row(&effective, "gateway.listen").0, expected, "{text}");
    }
    for text in
        ["", ":", "65536", ":-1", "::1", "1.2.3.4", "example.com:80", "localhost", "[::1]", "unix:/x", "off"]
    {
        assert!(load(&flag("gateway.listen", text)).is_err(), "{text}");
    }
}

#[test]
fn a_duration_is_numbers_with_units() {
    for (text, milliseconds) in [
        ("250ms", 250),
        ("30s", 30_000),
        ("5m", 300_000),
        ("1h", 3_600_000),
        ("1d", 86_400_000),
        ("1m30s", 90_000),
        ("0s", 0),
    ] {
        assert_eq!(read_duration(text), Ok(Duration::from_millis(milliseconds)), "{text}");
    }
    let refused = [
        "",
        "s",
        "30",
        "1.5s",
        "-1s",
        "30 s",
        "30S",
        "30sec",
        "1w",
        "1m30",
        "99999999999999999999s",
        "18446744073709551615d",
        "²s",
    ];
    for text in refused {
        assert!(read_duration(text).is_err(), "{text}");
    }
}

#[test]
fn a_size_is_a_number_with_a_unit() {
    for (text, bytes) in [
        ("0B", 0),
        ("64KB", 65_536),
        ("64kb", 65_536),
        ("64KiB", 65_536),
        ("64k", 65_536),
        ("512MB", 512 << 20),
        ("1GiB", 1 << 30),
        ("2TB", 2 << 40),
    ] {
        assert_eq!(read_size(text), Ok(bytes), "{text}");
    }
    for text in ["", "KB", "64", "1.5MB", "64 KB", "64KBB", "1PB", "iB", "-1B", "99999999999TB"] {
        assert!(read_size(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(number in 0_u64..1 << 50) {
        prop_assert_eq!(read_size(&write_size(number)), Ok(number));
        let duration = Duration::from_millis(number);
        prop_assert_eq!(read_duration(&write_duration(duration)), Ok(duration));
    }

    #[test]
    fn no_text_makes_a_source_panic(text in "\\PC{0,40}", bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
        for setting in all() {
            let _ = setting.set(&mut Config::default(), &text);
        }
        let _ = load_file(&bytes, Sources::default());
        let _ = load_file(format!("[gateway]\nhold = {text}"), Sources::default());
    }
}
