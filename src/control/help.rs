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
pub(super) const COMMANDS: [About; 18] = [
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
    About { words: "session list", arguments: "", does: "Say which sessions run", more: ASKING },
    About {
        words: "get",
        arguments: "URI",
        does: "Print what is at a ClientURI, as the local operator",
        more: GETTING,
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
        more: ASKING,
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
        more: ASKING,
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
        arguments: "[--page FILE] KEY",
        does: "Say what a key of the mapping language means",
        more: EXPLAINING,
    },
];

const ASKING: &str = "\
Asks the running agent, by D-Bus: for root and members of the group omadm-admin.";

const STATUS: &str = "\
SERVER is an account's server-id; without it, all are shown. Asks the running agent, by D-Bus: for root and members of
the group omadm-admin.

`--json` is an object: `version` (of this shape), `agent`, `deviceId`, `objects`, `execs`, `clock`, `configuration`,
`sessions`, `pendingAlerts`, and `servers`, by their ids: as the property Servers that docs/dbus.md describes, and
`uri`, `name`, `firstContact`, `lastEnded`. Times are seconds since 1970; null is not known.

Examples:
  omadmctl status
  omadmctl status acme --json";

const SESSION: &str = "\
SERVER is an account's server-id. Prints each stage as it is reached: the name, TCP, TLS, authentication, each package,
each command and its status; where it fails, a last line says where to look. Exits with 1 where the session was not
completed. Asks the running agent, by D-Bus: for root and members of the group omadm-admin.

`--json` is a line for each stage: `version`, `server`, `session`, `stage`, `what`; the last one's stage is `end`.

Example:
  omadmctl session start acme";

const GETTING: &str = "\
URI is a ClientURI. A leaf is printed as it is, anything else as JSON; `?level=1` at its end shows no more than what is
right below. Nobody is shown secrets, nor what the description lets nobody read. Asks the running agent, by D-Bus: for
root and members of the group omadm-admin.

Examples:
  omadmctl get urn:oma:mo:oma-dm-devinfo:1.2//DevID
  omadmctl get urn:oma:mo:oma-dm-dmacc:2.0/*/";

const RAISING: &str = "\
TYPE is a URN or a reversed domain name. Without `--source`, a ClientURI, all servers hear of it, else those that may
read there. LEVEL is fatal, critical, minor, warning, informational, harmless or indeterminate. `--data` is a JSON
object, or text. Returns when the alert is on flash. Asks the running agent, by D-Bus: for root and members of the
groups omadm-admin and omadm-app.

Example:
  omadmctl alert raise --mark warning --data '{\"door\":\"open\"}' com.acme.cabinet";

const REQUESTING: &str = "\
MOID is a management object's. Prints the ClientURIs of what was made. Asks the running agent, by D-Bus: for root and
members of the groups omadm-admin and omadm-app.";

const CONFIG: &str = "\
FILE is one file to read, without drop-ins, instead of the installed configuration. Each line is FILE:LINE: KEY: what is
wrong; what is used nevertheless begins with `warning:`. Exits with 1 if anything is wrong. The agent need not run; who
may not read accounts' secrets finds these unreadable: use `sudo`.

Example:
  sudo omadmctl config check";

const RELOADING: &str = "\
Returns when the files have taken effect. Exits with 1 and prints all problems, one a line, if there are any: what is
sound has taken effect even then. `systemctl reload omadmd` does this. Asks the running agent, by D-Bus: for root and
members of the group omadm-admin.";

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

What is wrong with a file is told as FILE:LINE:COLUMN: on the standard error.";

const STRICT: &str = "\
FILE is a DDF, or `-` for the standard input.
Held to the DTD, but for the order of elements: what is missing, unknown, twice there, or misspelt, and nodes that
contradict themselves. Each line is FILE:LINE: what is wrong. Exits with 1 if there is any.

Example:
  omadmctl ddf check board.ddf.xml";

const CHECKING: &str = "\
DIR is a folder with a mapping, or a folder of such folders.
Each line is FILE:LINE: KEY: what is wrong, in the order of files and lines; what is served nevertheless begins
with `warning:`. Exits with 1 if anything is wrong. The agent need not run. A program that this machine lacks is a
warning here, and an error of `omadmd --check`, which reads the settings too.
With `--read`, what is sound is then read as by `omadmctl mo read`: the tree with its values, or why there are none.
A source that fails, other than one that has nothing to say, makes it exit with 1.

Examples:
  omadmctl mo check board
  omadmctl mo check --read board
  omadmctl mo check /etc/omadm/mo.d";

const DESCRIBING: &str = "\
DIR is a folder with a mapping.

Examples:
  omadmctl mo ddf board >board.ddf.xml
  omadmctl mo ddf board | omadmctl ddf show -";

const BEGINNING: &str = "\
FILE is the DDF. What is written passes `omadmctl mo check` as it is; what is TODO in it is yours.

Example, of a folder that is named as its mapping:
  mkdir board && cp acme-1.0.ddf.xml board/board.ddf.xml
  omadmctl mo new board/board.ddf.xml >board/board.toml";

const READING: &str = "\
DIR is a folder with a mapping, such as /etc/omadm/mo.d/board; `--sysroot DIR` is where the machine's files
are, if not in /.

Below a leaf are the sources that were asked before its value, or instead of one, and what each said; and the
limits that are read.
The agent need not run. What programs and files say depends on who asks; as the agent:
  sudo -u omadm omadmctl mo read /etc/omadm/mo.d/board";

const EXPLAINING: &str = "\
KEY is one of the language, such as `list`; of several with one name, `list.match` is that of a list.
`--page FILE` is a page with tables of keys, as docs/mapping.md has them, if not that of the package in
/usr/share/omadm.

Example:
  omadmctl explain otherwise

The whole language: man omadm-mo";

impl About {
    /// How many arguments there may be: at least, and at most.
    pub(super) fn takes(&self) -> (usize, usize) {
        let (mut least, mut most, mut depth) = (0, 0, 0_usize);
        for word in self.arguments.split(' ').filter(|word| !word.is_empty()) {
            let opened = word.matches('[').count();
            if depth == 0 && opened == 0 {
                (least, most) = (least + 1, most + 1);
            }
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

    /// Whether the command has an option of this name.
    pub(super) fn has_option(&self, name: &str) -> bool {
        self.arguments.split([' ', '[', ']']).any(|word| word.strip_prefix("--") == Some(name))
    }

    pub(super) fn help(&self) -> String {
        let Self { words, arguments, does, more } = self;
        format!("{does}\n\nUsage: omadmctl [--json] {words} {arguments}\n\n{more}\n")
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
         Exits with 0, with 1 if what was asked for failed, with 2 on wrong arguments.\n\n\
         Usage: omadmctl [--json] COMMAND\n\nCommands:\n{lines}\n\
         `omadmctl COMMAND --help` says more of each. `--json` answers in JSON, `--version` says which version this is.\n"
    )
}
