//! What `omadmctl` can be asked for, and the help for it.

/// The help for a command.
pub(super) struct About {
    /// The words that call the command.
    pub(super) words: &'static str,
    /// The arguments after them.
    pub(super) arguments: &'static str,
    /// The purpose of the command, in a line.
    pub(super) does: &'static str,
    /// The rest of the help.
    pub(super) more: &'static str,
}

/// All commands: those that ask the agent first.
pub(super) const COMMANDS: [About; 25] = [
    About {
        words: "status",
        arguments: "[SERVER]",
        does: "Say whether the device is at its servers, and if not, why",
        more: STATUS,
    },
    About {
        words: "session start",
        arguments: "SERVER",
        does: "Hold a session with a server now, and follow it to its end",
        more: SESSION,
    },
    About { words: "session list", arguments: "", does: "Say which sessions run", more: SESSIONS },
    About {
        words: "get",
        arguments: "URI",
        does: "Print what is at a ClientURI, as the local operator",
        more: GETTING,
    },
    About {
        words: "tree",
        arguments: "[URI]",
        does: "Show nodes as a tree, each with its value or why it has none",
        more: OUTLINING,
    },
    About {
        words: "set",
        arguments: "[--dry-run] URI VALUE",
        does: "Write a node, as the local operator",
        more: SETTING,
    },
    About {
        words: "exec",
        arguments: "[--dry-run] [--wait] URI",
        does: "Execute a node, as the local operator",
        more: EXECUTING,
    },
    About {
        words: "alert raise",
        arguments: "[--source URI] [--target URI] [--mark LEVEL] [--mime TYPE] [--data JSON] TYPE",
        does: "Tell servers of an event on this device",
        more: RAISING,
    },
    About {
        words: "alert list",
        arguments: "",
        does: "Say which alerts wait for which server",
        more: ALERTS,
    },
    About {
        words: "alert drop",
        arguments: "SERVER",
        does: "Forget the alerts that wait for a server",
        more: ASKING,
    },
    About {
        words: "account list",
        arguments: "",
        does: "Say which accounts there are, and where their sessions go",
        more: ACCOUNTS,
    },
    About {
        words: "account test",
        arguments: "SERVER",
        does: "Test the way to an account's server, stage by stage, without a session",
        more: TESTING,
    },
    About {
        words: "config-request",
        arguments: "MOID",
        does: "Fetch the configuration of an object from where a server's DEFAULT said",
        more: REQUESTING,
    },
    About {
        words: "config check",
        arguments: "[FILE]",
        does: "Say all that is wrong with settings, accounts and management objects",
        more: CONFIG,
    },
    About {
        words: "reload",
        arguments: "",
        does: "Read settings, accounts and management objects again, and say what is wrong with them",
        more: RELOADING,
    },
    About {
        words: "notify",
        arguments: "--server-id ID --secret-file FILE [--request-mos] [--prefer TYPES] [--id NUMBER] HOST",
        does: "Notify an agent, as its server would",
        more: NOTIFYING,
    },
    About {
        words: "report",
        arguments: "[DIR]",
        does: "Collect what somebody needs who is to help, without secrets",
        more: REPORTING,
    },
    About {
        words: "ddf show",
        arguments: "FILE…",
        does: "Print a device description as a tree",
        more: NOTATION,
    },
    About {
        words: "ddf check",
        arguments: "FILE…",
        does: "Say what is wrong with a device description, also what readers overlook",
        more: STRICT,
    },
    About {
        words: "mo list",
        arguments: "[FILE]",
        does: "Say which management objects are served, and why the others are not",
        more: LISTING,
    },
    About {
        words: "mo check",
        arguments: "[--read [--sysroot DIR]] DIR…",
        does: "Say all that is wrong with mappings, and what is hardly meant",
        more: CHECKING,
    },
    About {
        words: "mo ddf",
        arguments: "DIR",
        does: "Write the DDF that servers fetch: the object's own, or the one made from its mapping",
        more: DESCRIBING,
    },
    About {
        words: "mo new",
        arguments: "FILE",
        does: "Write a mapping to begin with, for a DDF",
        more: BEGINNING,
    },
    About {
        words: "mo read",
        arguments: "[--sysroot DIR] DIR…",
        does: "Read every source once, and print the values, or why there are none",
        more: READING,
    },
    About {
        words: "explain",
        arguments: "[--page FILE] [KEY]",
        does: "Say what a key of the mapping language means, or which there are",
        more: EXPLAINING,
    },
];

const ASKING: &str = "\
Asks the running agent, by D-Bus: for root and members of the group omadm-admin.";

const SESSIONS: &str = "\
A table: with whom, since when, and what each waits for. Asks the running agent, by D-Bus: for root and members of the
group omadm-admin.

`--json`: `sessions`, as the property Sessions that omadm-dbus(7) describes.";

const ALERTS: &str = "\
A table of at most 1000; REPORT TO is the address that a server has named for them. Asks the running agent, by D-Bus:
for root and members of the group omadm-admin.

`--json`: `alerts`, each with `server`, `reportTo`, `time` (when it was raised, in seconds since 1970; null is not
known) and `alert`.";

const ACCOUNTS: &str = "\
Asks the running agent, by D-Bus: for root and members of the group omadm-admin.

`--json`: `accounts`, each with `server`, `name` and `uri`.";

const STATUS: &str = "\
SERVER is an account's server-id; without it, all are shown. Exits with 0 when the agent has answered, whatever it says.
Asks the running agent, by D-Bus: for root and members of the group omadm-admin.

`--json`: `agent`, `deviceId`, `link` (what carries a session that prefers no other: `interface`, `type`, `metered`,
`roaming`), `store` (where the agent's state is: `path`, `free` bytes, `writable`, `refused`: why nothing could be kept
last; `setAside`: `path` and `time` of one that could not be used), `helper` (the socket of omadm-exec: `path`, and
`why` it can't be reached; null where the configuration names none), `objects`, `execs`, `clock`, `configuration`
(`sound`, and the first `problem`), `sessions`, `pendingAlerts`, and `servers`, by their ids: as the property Servers
that omadm-dbus(7) describes, and `uri`, `name`. Times are seconds since 1970; null is not known.

Examples:
  omadmctl status
  omadmctl status acme --json";

const SESSION: &str = "\
SERVER is an account's server-id. Prints each stage as it is reached: the name, TCP, TLS, authentication, each package,
each command and its status, each attempt; while nothing comes, what is waited for, and for how long; how many commands
failed; where it fails, where to look, and when it is tried again, or what begins the next one. One that runs already is
waited for. Ctrl-C ends the following alone: the session is held all the same. Exits with 1 where the session was not
completed, or is no longer followed. Asks the running agent, by D-Bus: for root and members of the group omadm-admin.

`--json` is an object on a line of its own for each stage: `version`, `server`, `session`, `stage`, `what`. The last one
alone has `ok`; its stage is `end`, with `commands` and `commandsFailed`, how many there were, and, where the session
failed, `lookAt`, `nextTry`, `nextCause` and `waitsFor`; or it says why there is none, such as `Interrupted`.

Example:
  omadmctl session start acme";

const GETTING: &str = "\
URI is a ClientURI. A leaf is printed as it is, anything else as JSON; on a terminal, what nobody sees is shown as `?`.
`?lv=1` at its end shows no more than what is right below. An empty value is an empty line; where there is none, the
reason is told on the standard error, as it is of each node below that has none: JSON leaves it out, or, where it must
be there, shows it empty. Exits with 1 where there is nothing. Nobody is shown secrets, nor what the description lets
nobody read. Asks the running agent, by D-Bus: for root and members of the group omadm-admin.

`--json`: `value`, null where there is none, and `missing`: the `uri` of each node that has no value, and `why`.

Examples:
  omadmctl get urn:oma:mo:oma-dm-devinfo:1.2//DevID
  omadmctl get urn:oma:mo:oma-dm-dmacc:2.0/*/";

const OUTLINING: &str = "\
URI is a ClientURI; `?lv=1` at its end shows no more than what is right below. Without it, all instances are shown.
Of a node without a value, the reason is told: a source that fails, a value that nobody has set, a list that is empty.
Asks the running agent, by D-Bus: for root and members of the group omadm-admin.

`--json`: `nodes`, in the order of the description, each with its `uri`, and `value` or `why`; `failed` is true where
that is a source that fails, `node` for one that others are in.

Examples:
  omadmctl tree urn:oma:mo:oma-dm-devinfo:1.2//
  omadmctl tree 'urn:oma:mo:oma-dm-dmacc:2.0/*/?lv=1'";

const SETTING: &str = "\
URI is a ClientURI. VALUE is a leaf's value as text, or a document as `omadmctl get` prints it of other nodes, which
replaces all that is in them. `--` stands before a VALUE that begins with a dash. It is checked and done as if a server
had sent it: all of it, or nothing. `--dry-run` checks all that can be known beforehand, and does nothing. Asks the
running agent, by D-Bus: for root; a dry run for members of the group omadm-admin as well.

Examples:
  sudo omadmctl set urn:x-acme:mo:board:1.0//Contact 'ops@acme.example'
  omadmctl set --dry-run urn:x-acme:mo:board:1.0//Fan/Speed -- 40";

const EXECUTING: &str = "\
URI is a ClientURI. It is done as if a server had sent it: in its window, with the consent of the machine's programs.
Prints the status that a server would be told, and where that is none of success, how the program ended, the last line
that it wrote, and where to read the rest. 202 is for what goes on: with `--wait`, its end is waited for, else the
signal ExecFinished tells it, and `omadmctl status` whether it still runs. `--dry-run` says what would be asked and
waited for, and does nothing. Exits with 1 where the status is none of success. Asks the running agent, by D-Bus: for
root; a dry run for members of the group omadm-admin as well.

`--json`: `dryRun`, `node`, `status`, `what`, and `lookAt` where it failed.

Examples:
  sudo omadmctl exec --wait urn:x-acme:mo:board:1.0//Operations/Restart
  omadmctl exec --dry-run urn:oma:mo:oma-fumo:1.0/system/Update";

const RAISING: &str = "\
TYPE is a URN or a reversed domain name. Without `--source`, a ClientURI, all servers hear of it, else those that may
read there. LEVEL is fatal, critical, minor, warning, informational, harmless or indeterminate. `--data` is a JSON
object, or text. Returns when the alert is on flash. Asks the running agent, by D-Bus: for root and members of the
groups omadm-admin and omadm-app.

Example:
  omadmctl alert raise --mark warning --data '{\"door\":\"open\"}' com.acme.cabinet";

const TESTING: &str = "\
SERVER is an account's server-id. Prints each stage as far as it was reached: the name, TCP, TLS and how long the
server's certificate is valid, authentication, HTTP; where it fails, a last line says where to look. What is sent is one
HEAD of the account's address, with its credentials if the server asks for them: no package, so nothing is executed or
told. A server that knows no HEAD may answer 404, 405 or 501, and be well. Exits with 1 where it is not reached,
refuses, or answers with what is no DM package, such as a portal's page. Asks the running agent, by D-Bus: for root and
members of the group omadm-admin. A file that is no account yet: `omadmctl config check` says why.

`--json`: `server`, `stages` (each with `stage` and `what`), `why` and `lookAt` where it failed, and `broken`: what is
wrong with the account's file now, so that it is tested as it was.

Example:
  omadmctl account test acme";

const REQUESTING: &str = "\
MOID is a management object's. Prints the ClientURIs of what was made, `instances` with `--json`. Asks the running
agent, by D-Bus: for root and members of the groups omadm-admin and omadm-app.";

const CONFIG: &str = "\
FILE is one file to read, without drop-ins, instead of the installed configuration. Each line is FILE:LINE: KEY: what is
wrong; what is used nevertheless begins with `warning:`. Exits with 1 if anything is wrong. The agent need not run; who
may not read accounts' secrets finds these unreadable: use `sudo`.

`--json`: `findings`, each with `severity` (error, warning, note), `file`, `line`, `key` and `what`.

Example:
  sudo omadmctl config check";

const RELOADING: &str = "\
Returns when the files have taken effect. Exits with 1 and prints all problems, one a line, if there are any: what is
sound has taken effect even then. `systemctl reload omadmd` does this. Asks the running agent, by D-Bus: for root and
members of the group omadm-admin.";

const NOTIFYING: &str = "\
HOST is the gateway's name or address, with `:PORT` if that is not 2948. ID is the server-id of an account there, FILE
holds its notification's secret. Sends a notification of the draft profile by UDP, and needs no agent here. TYPES are
connection types that the session should come by, the best one first, with commas: mobile, wireless, wireline, any; any
is the last. `--request-mos` asks for the list of management objects. NUMBER is the notification's; by itself it is
another one each second, as a copy of one that was there is dropped. Nothing answers a notification: the journal of the
gateway says what came of it.

`--json`: `to`, `id`, `bytes`.

Example:
  omadmctl notify gw7.acme.example --server-id acme --secret-file acme.notify --prefer mobile,any";

const REPORTING: &str = "\
DIR is the folder that it is made in, /tmp if none is said. Prints the path of a tar.gz that only root reads: status,
tree, configuration, journal, network, clock. Secrets are masked: values of keys that are called so, what stands before
the @ of addresses; files that keys ending in -file name are not read. Look into it before you hand it on: a journal may
say anything. What executable files in /usr/lib/omadm/report.d and /etc/omadm/report.d print is added; they must be
root's. For root. The agent need not run.

`--json`: `path`.

Example:
  sudo omadmctl report";

const NOTATION: &str = "\
FILE is a DDF, or `-` for the standard input.

Columns: name, format (`node`: an interior node), access, scope (nothing: dynamic), and what else there is:
where a root hangs in a DM 1.x tree, the MOID, the title of a node without name, a leaf's MIME type and
default value.

Names: <x>     assigned at run time
       [Name]  assigned at run time; what stands there is a logical name

Occurrence, after the name:
        none   exactly once
        ?      zero or one
        *      zero or more        *N     up to N
        +      one or more         +N     one to N

What is wrong with a file is told as FILE:LINE:COLUMN: on the standard error. `--json`: `descriptions`, and `findings`,
as those of `config check`.";

const STRICT: &str = "\
FILE is a DDF, or `-` for the standard input.
Held to the DTD, but for the order of elements: what is missing, unknown, twice there, or misspelt, and nodes that
contradict themselves. Each line is FILE:LINE: what is wrong. Exits with 1 if there is any. `--json`: `findings`, as
those of `config check`.

Example:
  omadmctl ddf check board.ddf.xml";

const LISTING: &str = "\
Each object with the ClientURI of its root, `*` for several instances, and how many there are; then those that are not
served, each with the reason: switched off, broken (FILE:LINE: KEY: what is wrong), replaced by a folder of the same
name in /etc, or nothing of what it needs is on this machine. One whose files are broken now is served as it was, and
noted so. Asks the running agent, by D-Bus: for root and members of the group omadm-admin. Where none answers, what the
folders hold is listed, and that is told; with FILE, what those hold that this one file of settings names, and nobody is
asked. Exits with 1 where an object is broken.

`--json`: `agent`, whether it has answered; `objects`, each with `name`, `moid`, `folder`, `served`, `instances` (the
ClientURIs of their roots) and `why`, null where there is nothing to say or it is not known: whether one is `served`,
the agent alone knows; `problems` of no object.

Examples:
  omadmctl mo list
  omadmctl mo list --json";

const CHECKING: &str = "\
DIR is a folder with a mapping, or a folder of such folders.
Each line is FILE:LINE: KEY: what is wrong, in the order of files and lines; what is served nevertheless begins
with `warning:`. Exits with 1 if anything is wrong. The agent need not run. A program that this machine lacks is a
warning here, and an error of `omadmd --check`, which reads the settings too.
With `--read`, what is sound is then read as by `omadmctl mo read`: the tree with its values, or why there are none.
A source that fails, other than one that has nothing to say, makes it exit with 1. `--json`: `findings`, as those of
`config check`, and with `--read` `objects`, as `mo read` has them.

Examples:
  omadmctl mo check board
  omadmctl mo check --read board
  omadmctl mo check /etc/omadm/mo.d";

const DESCRIBING: &str = "\
DIR is a folder with a mapping. `--json`: `description`, null where there is none, and `findings`, as those of
`config check`.

Examples:
  omadmctl mo ddf board >board.ddf.xml
  omadmctl mo ddf board | omadmctl ddf show -";

const BEGINNING: &str = "\
FILE is the DDF. What is written passes `omadmctl mo check` as it is; what is TODO in it is yours. `--json`: `mapping`.

Example, of a folder that is named as its mapping:
  mkdir board && cp acme-1.0.ddf.xml board/board.ddf.xml
  omadmctl mo new board/board.ddf.xml >board/board.toml";

const READING: &str = "\
DIR is a folder with a mapping, such as /etc/omadm/mo.d/board; `--sysroot DIR` is where the machine's files
are, if not in /.

Below a leaf are the sources that were asked before its value, or instead of one, and what each said; and the
limits that are read.
`--json`: `objects`, each with `moid` and `nodes`, and `findings`, as those of `config check`.

The agent need not run. What programs and files say depends on who asks; as the agent:
  sudo -u omadm omadmctl mo read /etc/omadm/mo.d/board";

const EXPLAINING: &str = "\
KEY is one of the language, such as `list`; of several with one name, `list.match` is that of a list. Without it, all
keys are listed with their meaning, in a line each, below the places where they stand. `--page FILE` is a page with
tables of keys, as docs/mapping.md has them, if not that of the package in /usr/share/omadm. `--json`: `keys`, each with
`key`, `in`, `type`, `default`, `example` and `meaning`; of all, `names`.

Example:
  omadmctl explain otherwise

The whole language: man omadm-mo";

impl About {
    /// How many arguments there may be: at least, and at most.
    pub(super) fn takes(&self) -> (usize, usize) {
        let (mut least, mut most, mut depth) = (0, 0, 0_usize);
        let mut is_text = false;
        for word in self.arguments.split(' ').filter(|word| !word.is_empty()) {
            let opened = word.matches('[').count();
            let is_option = word.starts_with("--");
            if depth == 0 && opened == 0 && !is_option && !is_text {
                (least, most) = (least + 1, most + 1);
            }
            // The text of an option that must be there.
            is_text = is_option && depth == 0;
            // What is no option is an argument that may be left out.
            if depth == 0 && opened > 0 && !word.contains("--") {
                most += 1;
            }
            if word.ends_with('…') {
                most = usize::MAX;
            }
            depth = (depth + opened).saturating_sub(word.matches(']').count());
        }
        (least, most)
    }

    /// The options that must be there: each takes a text.
    pub(super) fn required(&self) -> impl Iterator<Item = &'static str> {
        self.arguments.split(' ').filter_map(|word| word.strip_prefix("--"))
    }

    /// Whether the command has an option of this name.
    pub(super) fn has_option(&self, name: &str) -> bool {
        self.arguments.split([' ', '[', ']']).any(|word| word.strip_prefix("--") == Some(name))
    }

    /// Whether the command has an option of this name that takes no text.
    pub(super) fn has_flag(&self, name: &str) -> bool {
        let takes_none = |rest: &str| rest.starts_with(']') || rest.starts_with(" [");
        self.arguments.split("--").any(|option| option.strip_prefix(name).is_some_and(takes_none))
    }

    pub(super) fn help(&self) -> String {
        let Self { words, arguments, does, more } = self;
        let space = if arguments.is_empty() { "" } else { " " };
        format!("{does}\n\nUsage: omadmctl [--json] {words}{space}{arguments}\n\n{more}\n")
    }
}

/// The help for the commands that begin with `word`; all for none of them.
pub(super) fn help(word: &str) -> String {
    let begins = |about: &&About| about.words.split(' ').next() == Some(word);
    let some: Vec<&About> = COMMANDS.iter().filter(begins).collect();
    let shown = if some.is_empty() { COMMANDS.iter().collect() } else { some };
    let lines: String = shown.iter().map(|about| format!("  {:15} {}\n", about.words, about.does)).collect();
    format!(
        "The operator's tool of the OMA DM agent.\n\n\
         Exits with 0, with 1 if what was asked for failed, with 2 on wrong arguments: then nothing was asked.\n\n\
         Usage: omadmctl [--json] COMMAND\n\nCommands:\n{lines}\n\
         `omadmctl help COMMAND` says more of each. `--json` answers with one JSON object: its version, whether all is ok,\n\
         what each command has for it, and the error where it failed. `--version` says which version this is.\n"
    )
}
