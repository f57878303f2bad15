//! The gateway that `docs/mapping.md` describes from start to end, run: its mapping as the page has it, the files that
//! such a gateway has, a service that plays its radio on a real bus, and an installer.

use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use omadm_agent::lab::files;
use serde_json::{Value, json};
use zbus::interface;

use crate::support::bus::Daemon;
use crate::support::page::joined;
use crate::support::published::{Published, told};
use crate::support::tools::{put_script, written};
use crate::support::{Bench, Setup, appears};

const PAGE: &str = include_str!("../docs/mapping.md");
const G200: Published = Published { moid: "urn:x-acme:mo:g200:1.0", root: "G200" };

const FILES: [(&str, &str); 12] = [
    ("etc/acme/serial", "G200A0042\n"),
    ("etc/os-release", "ID=acme\nIMAGE_VERSION=1.0\n"),
    ("sys/class/hwmon/hwmon0/name", "cpu_thermal\n"),
    ("sys/class/hwmon/hwmon0/temp1_input", "47250\n"),
    ("sys/class/hwmon/hwmon1/name", "lm75\n"),
    ("sys/class/hwmon/hwmon1/temp1_label", "Case\n"),
    ("sys/class/hwmon/hwmon1/temp1_input", "-500\n"),
    ("sys/class/leds/acme:status/brightness", "0\n"),
    ("sys/class/leds/acme:status/max_brightness", "255\n"),
    ("sys/class/leds/input0::capslock/brightness", "0\n"),
    ("run/acme/ups", "# written by upsd\nSTATUS=\"OB DISCHRG\"\nCHARGE=87\nSINCE=1769860800\n"),
    (
        "var/lib/misc/dnsmasq.leases",
        "1769864400 a0:00:5e:00:00:01 192.0.2.10 meter-1 01:a0:00:5e:00:00:01\nduid 00:01\n\
         1769868000 17843201 2001:db8::10 meter-1 00:01:00:01:2c\n0 a0:00:5e:00:00:02 192.0.2.11 * *\n",
    ),
];

/// It is killed in the middle, as by its own reboot, and goes on afterwards.
const INSTALLER: &str = r#"
echo "$* ${OMADM_RESUMED:-0}" >>@folder@/calls
if [ "${OMADM_RESUMED:-}" ]; then
    echo '{"State": 90}' >&3
    printf 'checking\nresult: 2.0 is sound\n'
    exit
fi
echo '{"State": 30}' >&3
echo '{"State": 60}' >&3
echo >@folder@/rebooting
read -r forever <@folder@/pipe
"#;

struct Radio {
    channel: u8,
    calls: Arc<Mutex<Vec<String>>>,
}

#[interface(name = "org.acme.Radio1")]
impl Radio {
    #[zbus(property)]
    fn channel(&self) -> u8 {
        self.channel
    }

    #[zbus(property)]
    fn set_channel(&mut self, channel: u8) {
        self.channel = channel;
    }

    #[zbus(property)]
    fn signal(&self) -> (i16, u8) {
        (-71, 64)
    }

    fn count_peers(&self) -> u32 {
        3
    }

    fn scan(&self, band: u16) -> Vec<String> {
        self.calls.lock().unwrap().push(format!("Scan {band}"));
        vec!["meter-1".to_owned(), "meter-2".to_owned()]
    }
}

/// A time zone in which it is three o'clock at night.
fn at_night() -> Vec<u8> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs() % (24 * 60 * 60);
    let offset = 3 * 60 * 60 - i32::try_from(now).unwrap();
    let counts: [u32; 6] = [0, 0, 0, 0, 1, 4];
    let mut zone = [&b"TZif"[..], &[0; 16]].concat();
    zone.extend(counts.iter().flat_map(|count| count.to_be_bytes()));
    zone.extend(offset.to_be_bytes());
    zone.extend(b"\0\0XXX\0");
    zone
}

async fn bench(daemon: &Daemon) -> Bench {
    let config = format!("sysroot = \"@folder@/sysroot\"\n{}", daemon.config());
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    for (name, content) in FILES {
        files::put(&bench.gateway.path("sysroot").join(name), content, files::PLAIN).unwrap();
    }
    files::put(&bench.gateway.path("sysroot/etc/localtime"), at_night(), files::PLAIN).unwrap();
    put_script(&bench, "lib/install", INSTALLER);
    let mapping = joined(PAGE, "toml g200/g200.toml").replace("/usr/lib/acme", "@folder@/lib");
    bench.gateway.put_mo("g200", "g200.toml", &mapping).unwrap();
    let mut check = Command::new(env!("CARGO_BIN_EXE_omadmctl"));
    let said = check.args(["mo", "check"]).arg(bench.gateway.path("mo/g200")).output().unwrap().stdout;
    assert_eq!(String::from_utf8(said).unwrap(), "the management object is sound\n", "not even a warning");
    bench
}

#[tokio::test]
async fn the_gateway_of_the_page_is_read_written_and_executed() {
    let daemon = Daemon::start();
    let calls = Arc::<Mutex<Vec<String>>>::default();
    let radio = Radio { channel: 11, calls: Arc::clone(&calls) };
    let service = daemon.connect().name("org.acme.Radio1").serve_at("/org/acme/Radio1", radio);
    let _service = service.build().await.unwrap();
    let bench = bench(&daemon).await;
    let agent = bench.start().await;

    let expected = json!({
        "Serial": "G200A0042",
        "Temperatures": {"0": {"Name": "cpu_thermal", "Celsius": 47.25}, "1": {"Name": "Case", "Celsius": -0.5}},
        "Leds": {"status": {"Brightness": 0}},
        "Ups": {"State": "battery", "Charge": 87, "Since": "2026-01-31T12:00:00Z"},
        "Leases": {
            "a0%3A00%3A5e%3A00%3A00%3A01":
                {"Address": "192.0.2.10", "Host": "meter-1", "Expires": "2026-01-31T13:00:00Z"},
            "a0%3A00%3A5e%3A00%3A00%3A02": {"Address": "192.0.2.11", "Expires": "never"},
        },
        "Radio": {"Channel": 11, "Signal": -71, "Peers": 3, "Band": "868"},
        "Firmware": {"Version": "1.0", "Url": "", "State": 10},
    });
    assert_eq!(G200.read(&bench, &agent).await, expected, "{}", agent.log());

    let hget = |path: &str, value: Value| G200.hget(&bench, path, &value);
    let exec = |path: &str| json!(["EXEC", G200.node(path)]);
    let commands = [
        hget("Leds/status/Brightness", json!(128)),
        hget("Radio/Channel", json!(17)),
        hget("Radio/Band", json!("433")),
        exec("Radio/Scan"),
    ];
    let (statuses, read) = G200.session(&bench, &agent, &commands).await;
    assert_eq!(statuses, [200, 200, 200, 200], "{}", agent.log());
    assert_eq!(written(&bench, "sysroot/sys/class/leds/acme:status/brightness").trim(), "128");
    assert_eq!(read["Leds"]["status"]["Brightness"], 128);
    let radio = json!({"Channel": 17, "Signal": -71, "Peers": 3, "Band": "433", "Found": "[\"meter-1\",\"meter-2\"]"});
    assert_eq!(read["Radio"], radio, "{}", agent.log());
    assert_eq!(*calls.lock().unwrap(), ["Scan 433"]);

    let refused = [
        hget("Leds/status/Brightness", json!(256)),
        hget("Radio/Channel", json!(40)),
        hget("Radio/Band", json!("915")),
        hget("Firmware/Url", json!("http://pkg.example/2.0")),
        hget("Firmware/State", json!(90)),
    ];
    let (statuses, after) = G200.session(&bench, &agent, &refused).await;
    assert_eq!((statuses, after), (vec![500, 500, 500, 500, 405], read), "{}", agent.log());

    let commands = [hget("Firmware/Url", json!("https://pkg.example/2.0")), exec("Firmware/Update")];
    let (statuses, _) = G200.session(&bench, &agent, &commands).await;
    assert_eq!(statuses, [200, 202], "{}", agent.log());
    appears(&bench.gateway.path("rebooting")).await;
    G200.comes_to(&bench, &agent, "/Firmware/State", 60).await;
    agent.kill().await;
    let agent = bench.start().await;
    let alert = json!({
        "AlertType": "urn:x-acme:at:update:1.0",
        "SourceURI": format!("{}/1/Firmware/Update", G200.moid),
        "MIMEType": "application/json",
        "Mark": "informational",
        "Data": {"ResultCode": 200},
    });
    assert_eq!(told(&bench, &agent, 1).await, alert);
    let firmware = json!({"Version": "1.0", "Url": "https://pkg.example/2.0", "State": 90, "LastResult": "2.0 is sound"});
    assert_eq!(G200.read(&bench, &agent).await["Firmware"], firmware, "{}", agent.log());
    assert_eq!(written(&bench, "calls"), "-- https://pkg.example/2.0 0\n-- https://pkg.example/2.0 1\n");
    agent.stop().await;
}
