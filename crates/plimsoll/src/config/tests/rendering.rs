//! What is made from the table: the effective settings and the reference page.

use super::{flag, load_file};
use crate::config::settings::all;
use crate::config::{Config, Format, Sources, load, render_effective, render_reference};

#[test]
fn the_effective_settings_read_back_as_themselves() {
    let file = "name = '5'\nadmin = 'off'\nworkers.count = 'auto'\nworkers.agent = 'off'\n\
                gateway = { listen = ':80', request_timeout = '1m30s', body_max = '1GB' }\n\
                [[logs.sink]]\ntype = 'file'\npath = 'a b'\nkeep = 3";
    let first = render_effective(&load_file(file, Sources::default()).unwrap(), Format::Toml);
    let second = render_effective(&load_file(&first, Sources::default()).unwrap(), Format::Toml);
    let values =
        |text: &str| text.lines().map(|line| line.split('#').next().unwrap().to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&first), values(&second));
    assert!(first.contains("request_timeout = \"90s\""), "{first}");
}

#[test]
fn the_effective_settings_are_json_for_scripts() {
    let text = render_effective(&load(&flag("workers.count", "3")).unwrap(), Format::Json);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    let count =
        value["settings"].as_array().unwrap().iter().find(|row| row["key"] == "workers.count").unwrap();
    assert_eq!(*count, serde_json::json!({ "key": "workers.count", "value": 3, "origin": "--flag" }));
}

#[test]
fn every_row_is_complete_and_every_default_can_be_written() {
    for setting in all() {
        let key = setting.key();
        assert!(setting.doc().ends_with('.'), "{key}: the manual is whole sentences");
        assert_eq!(all().filter(|other| other.key() == key).count(), 1, "{key} stands twice");
        assert_eq!(all().filter(|other| other.variable() == setting.variable()).count(), 1, "{key}");
        let default = setting.get(&Config::default());
        setting.set(&mut Config::default(), &default).unwrap_or_else(|reason| panic!("{key}: {reason:?}"));
    }
}

#[test]
fn the_reference_page_is_made_from_the_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/config.md");
    let page = std::fs::read_to_string(page).unwrap();
    assert!(page == render_reference(), "docs/reference/config.md is stale: run `cargo xtask docs`");
}
