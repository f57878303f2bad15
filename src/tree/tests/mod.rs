//! The tree over a real store, real files, and a small management object.

mod addressing;
mod caching;
mod costing;
mod depending;
mod describing;
mod executing;
mod intending;
mod privileged;
mod reading;
mod resolving;
mod rights;
mod showing;
mod writing;

use std::sync::Arc;
use std::time::Instant;

use serde_json::Value as Json;

use super::*;
use crate::backend::Machine;
use crate::base::Secret;
use crate::base::files;
use crate::config::{Account, NotificationAuth, Permission, Schedule, TlsFiles};
use crate::mo::{self, Value};
use crate::package::Profile;
use crate::spanned::Problems;
use crate::store::Store;
use crate::transport::Auth;
use crate::uri::client::ClientUri;

const BOX: &str = "urn:t:mo:box:1.0";
const CRATE: &str = "urn:t:mo:crate:1.0";
const DMACC: &str = "urn:oma:mo:oma-dm-dmacc:2.0";

/// A DDF node: name, format, access, further properties, children.
fn node(name: &str, format: &str, access: &str, more: &str, children: &[String]) -> String {
    let name = name.replace('<', "&lt;").replace('>', "&gt;");
    let access: String = access.split_whitespace().map(|word| format!("<{word}/>")).collect();
    format!(
        "<Node><NodeName>{name}</NodeName><DFProperties><AccessType>{access}</AccessType>\
         <DFFormat><{format}/></DFFormat>{more}</DFProperties>{}</Node>",
        children.concat()
    )
}

const MAYBE: &str = "<Occurrence><ZeroOrOne/></Occurrence><Scope><Dynamic/></Scope>";
const MANY: &str = "<Occurrence><ZeroOrMore/></Occurrence><Scope><Dynamic/></Scope>";
const FEW: &str = "<Occurrence><ZeroOrN>2</ZeroOrN></Occurrence><Scope><Dynamic/></Scope>";
const PERMANENT: &str = "<Occurrence><ZeroOrOne/></Occurrence><Scope><Permanent/></Scope>";

fn box_ddf() -> String {
    let chr = |name: &str, access: &str, more: &str| node(name, "chr", access, more, &[]);
    let all = "Add Delete Get Replace";
    let children = [
        chr("Fixed", "Get", ""),
        chr("Name", "Get Replace", ""),
        chr("Note", all, MAYBE),
        chr("Kept", all, PERMANENT),
        chr("Level", "Get Replace", "<CaseSense><CIS/></CaseSense>").replace("chr", "int"),
        chr("Default", "Get Replace", "<DefaultValue>seven</DefaultValue>"),
        chr("Hidden", "Add Replace", MAYBE),
        chr("Gone", "Get", MAYBE),
        chr("Must", "Get", ""),
        chr("Pinned", "Get", MAYBE),
        chr("A", "Get Replace", ""),
        chr("B", "Get Replace", ""),
        chr("Deaf", "Get Replace", MAYBE),
        chr("Joined", "Add Get Replace", MAYBE),
        chr("Removable", "Delete Get Replace", MAYBE),
        node(
            "Bounded",
            "node",
            all,
            MAYBE,
            &[
                node("Most", "int", all, MAYBE, &[]),
                node("Value", "int", all, MAYBE, &[]),
                node("Kind", "chr", all, MAYBE, &[]),
                node("Celsius", "float", all, MAYBE, &[]),
            ],
        ),
        node(
            "Poll",
            "node",
            "Get Replace",
            MAYBE,
            &[
                node("Interval", "int", "Get Replace", MAYBE, &[]),
                chr("Unit", all, MAYBE),
                chr("Hook", all, MAYBE),
            ],
        ),
        node(
            "Group",
            "node",
            all,
            MAYBE,
            &[
                chr("Inner", all, "<Scope><Dynamic/></Scope>"),
                chr("Other", all, MAYBE),
                node("Deep", "node", "Get", "", &[chr("Leaf", all, MAYBE)]),
            ],
        ),
        node(
            "Shelf",
            "node",
            all,
            PERMANENT,
            &[
                node("<s>", "node", all, MANY, &[chr("Value", all, "")]),
                node(
                    "Lasting",
                    "node",
                    "Get Replace",
                    "<Scope><Permanent/></Scope>",
                    &[
                        chr("Note", all, MAYBE),
                        chr("Kept", all, PERMANENT),
                        node(
                            "<m>",
                            "node",
                            all,
                            "<Occurrence><OneOrMore/></Occurrence>",
                            &[chr("Note", all, MAYBE)],
                        ),
                    ],
                ),
                node(
                    "Held",
                    "node",
                    "Add Get",
                    MAYBE,
                    &[chr("Note", all, MAYBE), chr("Fast", "Add Get Replace", MAYBE)],
                ),
            ],
        ),
        node("Same", "node", "Get", MAYBE, &[chr("Same", "Get Replace", MAYBE)]),
        node("Vault", "node", "Delete", "", &[chr("Inside", "Get", MAYBE)]),
        node(
            "Interfaces",
            "node",
            "Get Replace",
            "",
            &[node(
                "<if>",
                "node",
                "Add Get Replace",
                MANY,
                &[chr("Mtu", "Get Replace", "").replace("chr", "int"), chr("Own", "Get", "")],
            )],
        ),
        node(
            "Files",
            "node",
            "Get Replace",
            "",
            &[node("<f>", "node", "Add Delete Get Replace", MANY, &[chr("Text", "Get Replace", "")])],
        ),
        node(
            "Items",
            "node",
            "Get Replace",
            "",
            &[node(
                "<i>",
                "node",
                "Add Delete Get Replace",
                MANY,
                &[chr("Value", "Get Replace", ""), chr("Note", all, MAYBE)],
            )],
        ),
        node(
            "Pair",
            "node",
            "Get Replace",
            "",
            &[node("<p>", "node", "Add Delete Get Replace", FEW, &[chr("Value", "Get Replace", "")])],
        ),
        chr("Fine", "Exec", MAYBE).replace("chr", "null"),
        chr("Mapped", "Exec", MAYBE).replace("chr", "null"),
        chr("Later", "Exec", MAYBE).replace("chr", "null"),
        chr("Mute", "Exec", MAYBE).replace("chr", "null"),
    ];
    let root = node("Box", "node", "Delete Get Replace", "", &children);
    format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>")
}

const BOX_TOML: &str = r#"
moid = "urn:t:mo:box:1.0"
aliases = ["urn:t:mo:box:0.9"]
ddf = "box.ddf.xml"
ddf-uri = "https://t.example/box.ddf"
root = "Box"
instances = ["1"]

[node.Fixed]
get = { value = "fixed" }
[node.Gone]
get = { file = "/gone" }
[node.Must]
get = { file = "/gone" }
[node.Pinned]
pin = true
wait = "WAIT"
get = [{ file = "/better" }, { file = "/worse" }]
[node.A]
get = { file = "/a" }
set = { file = "/a" }
[node.B]
get = { file = "/locked/b" }
set = { file = "/locked/b" }
[node.Deaf]
get = { file = "/deaf" }
set = { file = "/mouth" }
verify = "50ms"
[node.Joined]
input = ["Name"]
get = { file = "/joined" }
set = { run = ["/bin/sh", "-c", 'echo "$0 for $1" > "$2"', "{}", "{../Name}", "ROOT/joined"] }
verify = false
[node."Bounded/Value"]
get = { file = "/bounded" }
set = { file = "/bounded" }
min = 1
max = { leaf = "../Most" }
[node."Bounded/Kind"]
enum = ["on", "off"]
[node."Bounded/Celsius"]
min = -40
max = { file = "/most-celsius", scale = 0.001 }
[node."Poll/Interval"]
get = { file = "/poll.ini", key = "poll.interval" }
set = { file = "/poll.ini", key = "poll.interval" }
[node."Poll/Unit"]
get = { file = "/poll.ini", key = "poll.unit" }
set = { file = "/poll.ini", key = "poll.unit" }
[node."Poll/Hook"]
set = { run = ["/bin/sh", "-c", "exit $0", "{}"] }
[node.Removable]
get = { file = "/removable" }
set = { file = "/removable" }
delete = { file = "/removable" }
[node."Interfaces/<if>"]
list = { glob = "/net/*" }
[node."Interfaces/<if>/Mtu"]
get = { file = "/net/{if}/mtu" }
set = { file = "/net/{if}/mtu" }
[node."Interfaces/<if>/Own"]
get = { value = "", format = "{if}" }
[node."Files/<f>"]
list = { glob = "/files/*" }
add = { run = ["/bin/sh", "-c", 'echo new > "$0"', "ROOT/files/{f}"] }
delete = { file = "/files/{f}" }
[node."Files/<f>/Text"]
get = { file = "/files/{f}" }
set = { file = "/files/{f}" }
[node.Fine]
exec = { run = ["/bin/sh", "-c", "exit 0"] }
[node.Mapped]
exec = { run = ["/bin/sh", "-c", "exit 75"], codes = { 75 = 1503 } }
[node.Later]
exec = { run = ["/bin/true"], after-session = true, alert-type = "urn:t:later" }
"#;

const CRATE_TOML: &str = r#"
moid = "urn:t:mo:crate:1.0"
ddf = "crate.ddf.xml"
ddf-uri = "https://t.example/crate.ddf"
root = "Crate"
dynamic = true
[node.Serial]
pin = true
get = [{ file = "/serial" }]
"#;

struct Bench {
    folder: tempfile::TempDir,
    tree: Tree,
    account: Arc<Account>,
}

impl Bench {
    fn new() -> Self {
        Self::waiting("0s", account("acme", 7))
    }

    fn waiting(wait: &str, account: Account) -> Self {
        Self::of(wait, account, vec![self::account("other", 7)])
    }

    /// With the accounts of other servers.
    fn of(wait: &str, account: Account, others: Vec<Account>) -> Self {
        Self::made(wait, account, others, false)
    }

    /// Whose files are below `/`, where links lead to the kernel's.
    fn of_this_machine() -> Self {
        Self::made("0s", self::account("acme", 7), Vec::new(), true)
    }

    fn made(wait: &str, account: Account, others: Vec<Account>, is_this_machine: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        for name in ["net", "locked", "files"] {
            std::fs::create_dir_all(root.join(name)).unwrap();
        }
        let crate_ddf = format!(
            "<MgmtTree><VerDTD>1.2</VerDTD>{}</MgmtTree>",
            node(
                "Crate",
                "node",
                "Delete Get",
                MANY,
                &[node("Text", "chr", "Get Replace", "", &[]), node("Serial", "chr", "Get", MAYBE, &[]),]
            )
        );
        let mapping = BOX_TOML.replace("WAIT", wait).replace("ROOT", root.to_str().unwrap());
        let (below, mapping) = match is_this_machine {
            true => ("/".into(), mapping.replace("file = \"/", &format!("file = \"{}/", root.display()))),
            false => (root, mapping),
        };
        put(&folder.path().join("mo/box/box.toml"), &mapping);
        put(&folder.path().join("mo/box/box.ddf.xml"), &box_ddf());
        put(&folder.path().join("mo/crate/crate.toml"), CRATE_TOML);
        put(&folder.path().join("mo/crate/crate.ddf.xml"), &crate_ddf);
        let shipped = ["/mo/dmacc", "/mo/dmdac"].map(|name| format!("{}{name}", env!("CARGO_MANIFEST_DIR")));
        let mut problems = Problems::default();
        let mut load = |path: &std::path::Path| mo::load::load_one(path, &mut problems).map(Arc::new);
        let objects = ["mo/box", "mo/crate"].map(|name| load(&folder.path().join(name)));
        let shipped = shipped.map(|path| load(path.as_ref()));
        let objects: Vec<_> = objects.into_iter().chain(shipped).flatten().collect();
        assert!(problems.is_empty(), "{problems}");
        let store = Store::open(&folder.path().join("state")).unwrap().store;
        let account = Arc::new(account);
        let accounts =
            std::iter::once(Arc::clone(&account)).chain(others.into_iter().map(Arc::new)).collect();
        let machine = Arc::new(Machine::new(below, crate::backend::Bus::none()));
        let tree = Tree::new(objects, accounts, store, machine, Instant::now());
        Self { folder, tree, account }
    }

    fn principal(&self) -> Principal<'_> {
        Principal { account: &self.account, session: SessionFacts::default() }
    }

    fn path(&self, path: &str) -> std::path::PathBuf {
        self.folder.path().join("root").join(path.trim_start_matches('/'))
    }

    fn file(&self, path: &str, text: &str) {
        put(&self.path(path), text);
    }

    fn content(&self, path: &str) -> Option<String> {
        std::fs::read_to_string(self.path(path)).ok()
    }

    async fn resolve(&self, path: &str, wanted: Rights) -> Result<NodeRef, TreeError> {
        let uri = if path.starts_with("urn:") { path.to_owned() } else { format!("{BOX}/1/{path}") };
        let uri = ClientUri::parse(&uri).unwrap();
        self.tree.resolve(&uri, &self.principal(), wanted).await
    }

    async fn get(&self, path: &str) -> Result<Shown, TreeError> {
        let level = path.split_once("?lv=").and_then(|(_, level)| level.parse().ok());
        let node = self.resolve(path, Rights::READ).await?;
        self.tree.read(&node, level, &self.principal()).await
    }

    /// A leaf's text, or MOData of an interior node.
    async fn read(&self, path: &str) -> Result<Json, TreeError> {
        Ok(match self.get(path).await? {
            Shown::Empty | Shown::Fresh => Json::Null,
            Shown::Leaf { value, .. } => Json::String(value.to_text().into_owned()),
            Shown::Document(json) => {
                let json: Json = serde_json::from_slice(&json).unwrap();
                let data = json["MOData"].as_object().unwrap();
                assert_eq!(data.len(), 1, "MOData is wrapped in the node's name");
                data.values().next().unwrap().clone()
            }
        })
    }

    async fn write(&self, path: &str, data: Json) -> Result<(), TreeError> {
        let uri = if path.starts_with("urn:") { path.to_owned() } else { format!("{BOX}/1/{path}") };
        let node = self.tree.destination(&ClientUri::parse(&uri).unwrap(), &self.principal()).await?;
        self.tree.replace(&node, Data::Json(data.into()), &self.principal()).await
    }

    async fn delete(&self, path: &str) -> Result<(), TreeError> {
        let node = self.resolve(path, Rights::WRITE).await?;
        self.tree.delete(&[node], &self.principal()).await
    }
}

impl Tree {
    async fn create(
        &self,
        object: &Arc<mo::ManagementObject>,
        document: Document,
        principal: &Principal<'_>,
    ) -> Result<NodeRef, TreeError> {
        let document = Document { moid: Some(object.moid.clone()), ..document };
        Ok(self.store(vec![document], Some(object), principal).await?.remove(0))
    }
}

/// What is sent, each by itself.
impl Tree {
    async fn document(
        &self,
        node: &NodeRef,
        level: Option<u32>,
        principal: &Principal<'_>,
    ) -> Result<Vec<u8>, TreeError> {
        let mut gathering = self.gathering(principal)?;
        gathering.add(Resolved::One(node.clone()), level, None).await?;
        Ok(gathering.finish().documents(principal.account.profile, 1 << 20).await?.concat())
    }

    async fn everything(&self, principal: &Principal<'_>) -> Result<Vec<Vec<u8>>, TreeError> {
        let mut gathering = self.gathering(principal)?;
        gathering.add_everything().await?;
        gathering.finish().documents(principal.account.profile, 1 << 20).await
    }
}

pub(crate) fn account(server_id: &str, rights: u8) -> Account {
    Account {
        file: format!("{server_id}.toml").into(),
        server_id: server_id.into(),
        name: format!("The {server_id} server"),
        server_uri: format!("https://{server_id}.example/dm"),
        profile: Profile::Draft,
        permissions: vec![Permission { moid: "*".into(), rights }],
        origins: Vec::new(),
        tls: TlsFiles::default(),
        auth: Auth::None,
        notification: Some(NotificationAuth {
            secret: Secret::new(format!("{server_id}'s secret").into_bytes()),
            secret_file: None,
            data: None,
            require_digest: true,
        }),
        schedule: Schedule::default(),
        push: None,
        bootstrap: None,
    }
}

fn put(path: &std::path::Path, text: &str) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    files::replace(path, text.as_bytes(), 0o644).unwrap();
}

/// The status that a server is told, by the command that has them all.
fn code<T: std::fmt::Debug>(result: Result<T, TreeError>) -> u16 {
    crate::command::CommandError::from(result.unwrap_err()).status(&crate::package::Verb::Hget)
}
