//! What every test uses: an app, run either way, and a raw client.
//!
//! [`App`] is what to run, [`Launch`] how, [`Server`] what is then running (killed, with its children, when
//! dropped; its output is printed if the test failed). [`Client`] speaks bytes, so that nothing between the
//! test and the socket can repair a request or an answer.

mod app;
mod browser;
mod children;
mod client;
mod collector;
mod database;
mod exposition;
mod launch;
mod load;
mod output;
mod port;
mod pty;
mod response;
mod server;
mod terminal;
mod wait;

pub(crate) use app::{App, node, node_path};
pub(crate) use browser::{Browser, Screen};
pub(crate) use children::{alive, descendants, signal};
pub(crate) use client::{Client, get, get_json, get_with, open_many_files};
pub(crate) use collector::Collector;
pub(crate) use database::{Database, Maria, Redis, packages_of};
pub(crate) use exposition::Exposition;
pub(crate) use launch::{Launch, plimsoll};
pub(crate) use load::{meanwhile, under_load};
pub(crate) use port::free_port;

pub(crate) use response::Response;
pub(crate) use server::Server;
pub(crate) use terminal::Terminal;
pub(crate) use wait::{pause, until};
