//! Databases for a test, private ones: PostgreSQL, as `examples/shop/database.js` starts it, MariaDB and Redis.

use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::fs::chown;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

use super::app::{App, example};
use super::launch::Launch;
use super::port::free_port;
use super::server::Server;
use super::wait::until;

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

/// It ends with this value.
pub(crate) struct Maria {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Maria {
    /// With a user `shop` without a password. `None`, and a line that says so, where MariaDB is not installed.
    pub(crate) fn start(max_connections: u32) -> Option<Self> {
        let version = Command::new("mariadbd").arg("--version").output();
        if !version.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: MariaDB is not installed\nhint: apt-get install mariadb-server");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("pl-db-").tempdir_in("/tmp").unwrap();
        let (port, user) = (free_port(), own_user(&directory));
        let options = [
            "--no-defaults".to_owned(),
            format!("--datadir={}", directory.path().display()),
            format!("--user={user}"),
        ];
        let mut install = Command::new("mariadb-install-db");
        install.args(&options).args(["--auth-root-authentication-method=normal", "--skip-test-db"]);
        let installed = install.stdin(Stdio::null()).output().unwrap();
        assert!(installed.status.success(), "{installed:?}");
        let socket = directory.path().join("s");
        let child = Command::new("mariadbd")
            .args(&options)
            .arg(format!("--socket={}", socket.display()))
            .arg(format!("--port={port}"))
            .arg(format!("--max-connections={max_connections}"))
            .args(["--bind-address=127.0.0.1", "--skip-log-bin", "--innodb-buffer-pool-size=8M"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let maria = Self { child, port, _directory: directory };
        until("MariaDB has its user", || {
            let mut client = Command::new("mariadb");
            client.arg("--no-defaults").arg(format!("--socket={}", socket.display())).arg("--user=root");
            client.args(["--execute", "create or replace user shop@'127.0.0.1'"]);
            client.output().ok()?.status.success().then_some(())
        });
        Some(maria)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Maria {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// It ends with this value.
pub(crate) struct Redis {
    child: Child,
    port: u16,
    _directory: TempDir,
}

impl Redis {
    /// `None`, and a line that says so, where Redis is not installed.
    pub(crate) fn start() -> Option<Self> {
        let version = Command::new("redis-server").arg("--version").output();
        if !version.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: Redis is not installed\nhint: apt-get install redis-server");
            return None;
        }
        let directory = tempfile::Builder::new().prefix("pl-redis-").tempdir_in("/tmp").unwrap();
        let port = free_port();
        let mut server = Command::new("redis-server");
        server.args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"]);
        server.arg(directory.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let redis = Self { child: server.spawn().unwrap(), port, _directory: directory };
        until("Redis accepts connections", || TcpStream::connect(("127.0.0.1", port)).ok().map(drop));
        Some(redis)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// MariaDB refuses to run as root: there the directory is that of its own user.
fn own_user(directory: &TempDir) -> String {
    let passwd = fs::read_to_string("/etc/passwd").unwrap();
    let entry = passwd.lines().find(|line| line.starts_with("mysql:"));
    let ids: Vec<u32> =
        entry.into_iter().flat_map(|line| line.split(':')).filter_map(|word| word.parse().ok()).collect();
    match (rustix::process::getuid().is_root(), &ids[..]) {
        (true, [uid, gid]) => {
            chown(directory.path(), Some(*uid), Some(*gid)).unwrap();
            "mysql".to_owned()
        }
        _ => rustix::process::getuid().as_raw().to_string(),
    }
}
