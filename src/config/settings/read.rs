//! Reading and validating a merged `omadmd.toml`.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::{AlertBounds, Bootstrap, Exec, MeteredLinks, Notification, Paths, Session, Settings};
use crate::base::regular;
use crate::config::account::{holds_certificates, no_certificates, rights, schedule};
use crate::config::address::{self, AddressError};
use crate::config::secret::MAX_CERTIFICATES;
use crate::config::subscriber::Subscriber;
use crate::spanned::Problems;
use crate::spanned::Reader;
use crate::spanned::{ByteSize, FilePath, FromItem};
use crate::spanned::{Item, Located};

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);
// An EXEC that is waited for so long is no standstill.
const _: () = assert!(HOUR.as_secs() * 2 <= crate::base::heartbeat::LONGEST_SILENCE.as_secs());
const DAY: Duration = Duration::from_secs(24 * 3600);

impl Settings {
    /// Reads a whole `omadmd.toml`. What it doesn't say, or says wrongly, keeps its default; all that is
    /// wrong is noted, unknown keys included.
    #[must_use]
    pub fn read(root: &Located, problems: &mut Problems) -> Self {
        let mut settings = Self::default();
        let mut reader = Reader::new(root, problems);
        reader.table("notification", |r| settings.notification.read(r));
        reader.table("session", |r| settings.session.read(r));
        reader.table("exec", |r| settings.exec.read(r));
        reader.table("alert", |r| settings.alert.read(r));
        reader.table("store", |r| {
            let mut quota = ByteSize(usize::try_from(settings.quota).unwrap_or(usize::MAX));
            let range = ByteSize(64 << 10)..=ByteSize(usize::MAX);
            within(r, "quota", &mut quota, range, "a size of at least \"64KiB\"");
            settings.quota = u64::try_from(quota.0).unwrap_or(u64::MAX);
        });
        reader.table("show", |r| {
            settings.browser = r.parsed("browser", browser).unwrap_or_default();
        });
        reader.table("dbus", |r| {
            let address = r.parsed("address", dbus_address);
            settings.dbus_address = address.unwrap_or_else(|| settings.dbus_address.clone());
        });
        reader.table("subscription", |r| {
            let range = SECOND..=DAY;
            within(r, "poll", &mut settings.subscription_poll, range, "a duration from \"1s\" to \"1d\"");
        });
        reader.table("paths", |r| settings.paths.read(r));
        reader.table("objects", |r| {
            settings.ddf_base = r.parsed("ddf-base", ddf_base).flatten();
            settings.disabled_objects = r.or("disable", Vec::new());
            let is_name = |name: &String| !name.is_empty() && !name.contains('/');
            if !settings.disabled_objects.iter().all(is_name) {
                r.problem("disable", "expected the names of folders such as \"cellular\"");
            }
        });
        let allow_http = settings.session.allow_http;
        reader.table("bootstrap", |r| settings.bootstrap.read(r, allow_http));
        settings.subscriber = reader.table("subscriber", Subscriber::read).unwrap_or_default();
        reader.finish();
        settings
    }
}

impl Notification {
    fn read(&mut self, reader: &mut Reader<'_>) {
        replace(reader, "listen", &mut self.listen);
        let repeated = self.listen.iter().enumerate().find(|(at, address)| {
            // Port 0 is a free one, another each time.
            address.port() != 0 && self.listen.iter().take(*at).any(|earlier| earlier == *address)
        });
        if let Some((_, address)) = repeated {
            reader.problem("listen", format!("{address} stands there twice"));
        }
        replace(reader, "accept-bare", &mut self.accept_bare);
        within(reader, "max-age", &mut self.max_age, SECOND..=7 * DAY, "a duration from \"1s\" to \"7d\"");
        let least = 2 * self.max_age;
        // Said by nobody, the window follows max-age.
        self.replay_window = self.replay_window.max(least);
        let mut window = self.replay_window;
        within(reader, "replay-window", &mut window, SECOND..=30 * DAY, "a duration from \"1s\" to \"30d\"");
        if window < least {
            reader.problem(
                "replay-window",
                format!(
                    "expected at least twice max-age, that is {}s, found {}s",
                    least.as_secs(),
                    window.as_secs()
                ),
            );
        }
        self.replay_window = window.max(least);
    }
}

impl Session {
    fn read(&mut self, reader: &mut Reader<'_>) {
        within(reader, "retries", &mut self.retries, 0..=100, "an integer from 0 to 100");
        within(
            reader,
            "bearer-wait",
            &mut self.bearer_wait,
            Duration::ZERO..=7 * DAY,
            "a duration from \"0s\" to \"7d\"",
        );
        self.metered = reader.parsed("metered", metered_links).unwrap_or(self.metered);
        within(
            reader,
            "metered-wait",
            &mut self.metered_wait,
            Duration::ZERO..=366 * DAY,
            "a duration from \"0s\" to \"366d\"",
        );
        within(
            reader,
            "clock-wait",
            &mut self.clock_wait,
            Duration::ZERO..=DAY,
            "a duration from \"0s\" to \"1d\"",
        );
        let mut package = ByteSize(self.max_package);
        within(
            reader,
            "max-package",
            &mut package,
            ByteSize(1 << 10)..=ByteSize(64 << 20),
            "a size from \"1KiB\" to \"64MiB\"",
        );
        self.max_package = package.0;
        let mut data = ByteSize(self.max_data);
        within(
            reader,
            "max-data",
            &mut data,
            ByteSize(64 << 10)..=ByteSize(64 << 20),
            "a size from \"64KiB\" to \"64MiB\"",
        );
        self.max_data = data.0;
        within(reader, "max-packages", &mut self.max_packages, 1..=1_000_000, "an integer from 1 to 1000000");
        replace(reader, "allow-http", &mut self.allow_http);
        replace(reader, "default-initiated-by", &mut self.default_initiated_by);
        let allow_http = self.allow_http;
        let origins =
            reader.parsed_each("continue-origins", |text: String| address::origin(&text, allow_http));
        self.continue_origins = origins.unwrap_or_default();
    }
}

impl Exec {
    fn read(&mut self, reader: &mut Reader<'_>) {
        // Empty, as a later file says it, takes the vendor's away.
        if reader.optional::<String>("socket").is_some_and(|text| !text.is_empty()) {
            self.socket = reader.optional("socket").map(|FilePath(path)| path);
        }
        within(
            reader,
            "sync-limit",
            &mut self.sync_limit,
            Duration::ZERO..=HOUR,
            "a duration from \"0s\" to \"1h\"",
        );
    }
}

impl AlertBounds {
    fn read(&mut self, reader: &mut Reader<'_>) {
        let mut queued = u32::try_from(self.max_queued).unwrap_or(u32::MAX);
        within(reader, "max-queued", &mut queued, 1..=100_000, "an integer from 1 to 100000");
        self.max_queued = usize::try_from(queued).unwrap_or(usize::MAX);
        let mut bytes = ByteSize(self.max_bytes);
        // One alert may take as much as the least.
        let range = ByteSize(64 << 10)..=ByteSize(64 << 20);
        within(reader, "max-bytes", &mut bytes, range, "a size from \"64KiB\" to \"64MiB\"");
        self.max_bytes = bytes.0;
    }
}

impl Paths {
    fn read(&mut self, reader: &mut Reader<'_>) {
        let folders = |found: Option<Vec<FilePath>>| -> Option<Vec<PathBuf>> {
            Some(found?.into_iter().map(|FilePath(path)| path).collect())
        };
        self.mo = folders(reader.optional("mo")).unwrap_or_else(|| self.mo.clone());
        self.accounts = folders(reader.optional("accounts")).unwrap_or_else(|| self.accounts.clone());
        for (key, path) in
            [("state", &mut self.state), ("sysroot", &mut self.sysroot), ("exec-veto", &mut self.exec_veto)]
        {
            if let Some(FilePath(found)) = reader.optional(key) {
                *path = found;
            }
        }
    }
}

impl Bootstrap {
    fn read(&mut self, reader: &mut Reader<'_>, allow_http: bool) {
        self.uri = reader.parsed("uri", |uri| bootstrap_uri(uri, allow_http)).flatten();
        self.ca_pem = reader.parsed("ca-file", certificates);
        within(reader, "jitter", &mut self.jitter, Duration::ZERO..=DAY, "a duration from \"0s\" to \"1d\"");
        if let Some(schedule) = reader.table("schedule", schedule) {
            self.schedule = schedule;
        }
        self.rights = reader.parsed("rights", rights).unwrap_or(self.rights);
    }
}

impl FromItem for SocketAddr {
    const EXPECTED: &'static str = "an address and port such as \"[::]:2948\" or \"192.0.2.1:2948\"";

    fn from_item(item: &Item) -> Option<Self> {
        String::from_item(item)?.parse().ok()
    }
}

fn metered_links(text: String) -> Result<MeteredLinks, String> {
    match text.as_str() {
        "any" => Ok(MeteredLinks::Any),
        "no-schedule" => Ok(MeteredLinks::NoSchedule),
        _ => Err(format!("expected \"any\" or \"no-schedule\", found {text:?}")),
    }
}

fn browser(argv: Vec<String>) -> Result<Vec<String>, &'static str> {
    let runs =
        argv.first().is_none_or(|program| !program.is_empty()) && !argv.iter().any(|arg| arg.contains('\0'));
    if runs { Ok(argv) } else { Err("expected a program and its arguments, such as [\"xdg-open\"]") }
}

/// Checks the bootstrap server's address. Empty, as a later file says it, takes the vendor's away.
fn bootstrap_uri(uri: String, allow_http: bool) -> Result<Option<String>, AddressError> {
    if uri.is_empty() {
        return Ok(None);
    }
    address::template(&uri, allow_http).map(|_| Some(uri))
}

/// Checks the address that servers find DDFs below. Empty, as a later file says it, takes the vendor's away.
fn ddf_base(uri: String) -> Result<Option<String>, String> {
    let is_base = uri.split_once("://").is_some_and(|(scheme, rest)| {
        matches!(scheme, "https" | "http")
            && rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '[')
            && uri.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '?' | '#'))
    });
    match uri.is_empty() {
        true => Ok(None),
        false if is_base => Ok(Some(uri)),
        false => Err(format!("expected a URI such as \"https://acme.example/ddf/\", found {uri:?}")),
    }
}

/// Reads a file of PEM certificates.
fn certificates(FilePath(path): FilePath) -> Result<Vec<u8>, String> {
    let pem =
        regular::read(&path, MAX_CERTIFICATES).map_err(|error| format!("{}: {error}", path.display()))?;
    if holds_certificates(&pem) { Ok(pem) } else { Err(no_certificates(&path.display().to_string())) }
}

fn dbus_address(text: String) -> Result<String, String> {
    let is_address = text.split_once(':').is_some_and(|(transport, _)| {
        !transport.is_empty() && transport.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    });
    if is_address || text == "system" {
        return Ok(text);
    }
    Err(format!(
        "expected \"system\" or an address such as \"unix:path=/run/dbus/system_bus_socket\", found {text:?}"
    ))
}

/// Puts the value of `key`, where there is a right one, in the default's place.
fn replace<T: FromItem>(reader: &mut Reader<'_>, key: &str, target: &mut T) {
    if let Some(value) = reader.optional(key) {
        *target = value;
    }
}

/// Puts the value of `key`, where there is one within the bounds, in the default's place.
fn within<T: FromItem + PartialOrd>(
    reader: &mut Reader<'_>,
    key: &str,
    target: &mut T,
    range: RangeInclusive<T>,
    expected: &str,
) {
    if let Some(value) = reader.within(key, range, expected) {
        *target = value;
    }
}
