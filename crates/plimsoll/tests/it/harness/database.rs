//! PostgreSQL for a test: a private one, as `examples/shop/database.js` starts it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use tempfile::TempDir;

use super::app::{App, example};
use super::launch::Launch;
use super::server::Server;

/// It ends with this value.
pub(crate) struct Database {
    server: Server,
    _directory: TempDir,
}

impl Database {
    /// `None`, and a line that says so, where PostgreSQL is not installed.
    pub(crate) fn start(max_connections: u32) -> Option<Self> {
        if !is_installed() {
            eprintln!("skipped: PostgreSQL is not installed\nhint: apt-get install postgresql");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("pl-db-").tempdir_in("/tmp").unwrap();
        // PostgreSQL runs as a user of its own where we are root.
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let script = example("shop").join("database.js");
        let app = App::command(&["node", script.to_str().unwrap()], &[]);
        let server = Launch::plain(app)
            .env("DATABASE_DIR", directory.path())
            .env("MAX_CONNECTIONS", max_connections.to_string())
            .start();
        server.wait_for_stdout("ready: ");
        Some(Self { server, _directory: directory })
    }

    /// The app, told where the database is.
    pub(crate) fn used_by(&self, launch: Launch) -> Launch {
        let port = self.server.port().to_string();
        let settings =
            [("HOST", "127.0.0.1"), ("PORT", port.as_str()), ("USER", "shop"), ("DATABASE", "shop")];
        settings.into_iter().fold(launch, |launch, (name, value)| launch.env(&format!("PG{name}"), value))
    }

    pub(crate) fn name(&self) -> String {
        format!("127.0.0.1:{}", self.server.port())
    }
}

/// As the script itself looks for it.
fn is_installed() -> bool {
    let debian = fs::read_dir("/usr/lib/postgresql").is_ok_and(|mut versions| versions.next().is_some());
    debian || Command::new("initdb").arg("--version").output().is_ok_and(|output| output.status.success())
}

/// The packages of an example, for apps of a test's own that import them.
pub(crate) fn packages_of(name: &str) -> String {
    example(name).join("node_modules").to_str().unwrap().to_owned()
}
