//! Objects that ship, where there is much of everything: a session that reads one, or sends it to a repository.

use std::time::{Duration, Instant};

use omadm_agent::lab::files;
use serde_json::json;

use crate::support::much::{leases, links, packages};
use crate::support::published::Published;
use crate::support::shipped::mapping;
use crate::support::{Bench, Setup};
use crate::{Table, block_on, median, mib, millis};

const BUDGET: Duration = Duration::from_millis(200);
const TIMES: usize = 5;

pub(crate) fn much_of_everything(table: &mut Table) {
    let lan = Published { moid: "urn:x-omadm:mo:lan-devices:1.0", root: "LanDevices" };
    let sysroot = vec![("var/lib/misc/dnsmasq.leases".to_owned(), leases(500))];
    block_on(reads(table, "500 devices", "lan-devices", lan, sysroot));
    let scomo = Published { moid: "urn:oma:mo:oma-scomo:1.0", root: "SCOMO" };
    let sysroot = vec![("var/lib/dpkg/status".to_owned(), packages(2000))];
    block_on(reads(table, "2000 packages", "scomo", scomo, sysroot));
    let object = Published { moid: "urn:x-omadm:mo:links:1.0", root: "Links" };
    block_on(reads(table, "64 links", "links", object, links(64)));
}

async fn reads(table: &mut Table, what: &str, name: &str, object: Published, sysroot: Vec<(String, String)>) {
    let config = "sysroot = \"@folder@/sysroot\"\n".to_owned();
    let bench = Bench::with(Setup { config, ..Setup::default() }).await;
    for (file, content) in &sysroot {
        files::put(&bench.gateway.path("sysroot").join(file), content, files::PLAIN).unwrap();
    }
    bench.gateway.put_mo(name, &format!("{name}.toml"), &mapping(name)).unwrap();
    let agent = bench.start().await;
    let idle = agent.resident();
    let (mut gets, mut puts) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        // What the server makes of it is not the agent's time.
        let begun = Instant::now();
        object.play(&bench, &agent, &[]).await;
        gets.push(begun.elapsed());
        let put = json!(["HPUT", "{repository}/put", object.node("")]);
        let begun = Instant::now();
        object.play(&bench, &agent, std::slice::from_ref(&put)).await;
        // A GET of all of it is the end of that session.
        puts.push(begun.elapsed());
        assert_eq!(object.session(&bench, &agent, &[put]).await.0, [200]);
    }
    let get = median(gets);
    table.row(
        &format!("GET of {what}, from the notification on"),
        millis(get),
        "≤ 200 ms",
        Some(get <= BUDGET),
    );
    table.note("  HPUT, and a GET after it", millis(median(puts)));
    let grown = agent.peak().saturating_sub(idle);
    table.note("  memory above idle, at most", mib(u64::try_from(grown).unwrap()));
    agent.stop().await;
}
