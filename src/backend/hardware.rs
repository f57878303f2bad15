//! The hardware's identity, which tells this machine from all others where it has no machine-id(5): its serial number,
//! a network card's address, at last a random number.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::OnceLock;

use sha2::{Digest as _, Sha256};

use super::answer::Answer;
use super::context::Machine;
use super::error::BackendError;
use super::{dmi, file};
use crate::base::lane::PathAccess;

/// The namespace of the names from which UUIDs are derived.
const NAMESPACE: [u8; 16] = 0xa8d2_5ce7_ee6e_4e95_9024_e5e6_d1a0_f927_u128.to_be_bytes();
const NETWORK: &str = "/sys/class/net";
/// The type of an Ethernet device in /sys/class/net, of WLAN too.
const ARPHRD_ETHER: &str = "1";
/// The address type `NET_ADDR_PERM`: the address is the device's own.
const PERMANENT: &str = "0";

/// A UUID of the firmware: its own, or one derived from the serial number and the model it is of. Fields that hold a
/// maker's placeholder, or that the agent may not read, say nothing.
pub(super) async fn uuid(machine: &Machine) -> Result<Answer<String>, BackendError> {
    let dmi = |name: &str| format!("/sys/class/dmi/id/{name}");
    let serials = [
        ("/proc/device-tree/serial-number".to_owned(), vec!["/proc/device-tree/model".to_owned()]),
        (dmi("product_uuid"), Vec::new()),
        (dmi("product_serial"), vec![dmi("sys_vendor"), dmi("product_name")]),
        (dmi("board_serial"), vec![dmi("board_vendor"), dmi("board_name")]),
    ];
    for (path, model) in serials {
        let serial = match field(machine, &path).await? {
            Answer::Value(serial) if path.ends_with("uuid") => {
                if let Some(uuid) = dmi::sane_uuid(&serial) {
                    return Ok(Answer::Value(uuid));
                }
                continue;
            }
            Answer::Value(serial) if dmi::is_sane_serial(&serial) => serial,
            Answer::Value(_) | Answer::Absent(_) => continue,
            Answer::Unavailable(why) => return Ok(Answer::Unavailable(why)),
        };
        // A serial number is one of its model only.
        let mut name = format!("serial:{serial}");
        for path in model {
            if let Answer::Value(text) = field(machine, &path).await? {
                name.push(':');
                name.push_str(&text);
            }
        }
        return Ok(Answer::Value(derived(&name)));
    }
    Ok(Answer::absent("no sane serial number or UUID in the device tree or DMI"))
}

async fn field(machine: &Machine, path: &str) -> Result<Answer<String>, BackendError> {
    match file::content(machine, path).await {
        // Serial numbers are for root's eyes only, in DMI.
        Err(BackendError::File { error, .. }) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(Answer::Absent(format!("{path}: {error}")))
        }
        other => Ok(other?.map(|bytes| dmi::plain(&bytes))),
    }
}

/// A UUID derived from the lowest address that a physical network interface has for good.
pub(super) async fn mac_uuid(machine: &Machine) -> Result<Answer<String>, BackendError> {
    let folder = file::below(machine, NETWORK).await?;
    let found = file::blocking_from(folder, |folder, access| {
        lowest(folder, access).map_err(|stuck| BackendError::Stuck { path: folder.to_path_buf(), stuck })
    });
    Ok(match found.await {
        Ok(Some(address)) => {
            let digits: Vec<String> = address.iter().map(|byte| format!("{byte:02x}")).collect();
            Answer::Value(derived(&format!("mac:{}", digits.join(":"))))
        }
        Ok(None) => Answer::absent("no physical network interface has a permanent address"),
        Err(stuck @ BackendError::Stuck { .. }) => Answer::Unavailable(stuck.to_string()),
        Err(error) => return Err(error),
    })
}

/// A random UUID, the same as long as the agent lives: for a node that is pinned.
pub(super) fn random_uuid() -> Answer<String> {
    static RANDOM: OnceLock<Option<String>> = OnceLock::new();
    let made = RANDOM.get_or_init(|| {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        Some(uuid_of(bytes, 4))
    });
    made.clone()
        .map_or_else(|| Answer::Unavailable("the kernel gives no random numbers".to_owned()), Answer::Value)
}

fn lowest(folder: &Path, access: &PathAccess<'_>) -> Result<Option<[u8; 6]>, crate::base::lane::Stuck> {
    let mut addresses = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().map_while(Result::ok) {
        let interface = entry.path();
        access.enter(&interface)?;
        let is = |file: &str, wanted: &str, unsaid: bool| {
            fs::read_to_string(interface.join(file)).map_or(unsaid, |text| text.trim() == wanted)
        };
        let own = is("addr_assign_type", PERMANENT, false) && is("type", ARPHRD_ETHER, true);
        if own && interface.join("device").exists() {
            let text = fs::read_to_string(interface.join("address")).unwrap_or_default();
            addresses.extend(address(text.trim()));
        }
    }
    // One that a maker made up himself may be that of many.
    Ok(addresses.into_iter().min_by_key(|address| (address[0] & 2 != 0, *address)))
}

/// Reads a hardware address, which is no group's and not nothing.
fn address(text: &str) -> Option<[u8; 6]> {
    let mut bytes = [0; 6];
    let mut parts = text.split(':');
    for byte in &mut bytes {
        *byte = u8::from_str_radix(parts.next().filter(|part| part.len() == 2)?, 16).ok()?;
    }
    let whole = parts.next().is_none() && bytes != [0; 6] && bytes[0] & 1 == 0;
    whole.then_some(bytes)
}

/// A UUID derived from a name by SHA-256 (RFC 9562 version 8, appendix B.2).
fn derived(name: &str) -> String {
    let digest: [u8; 32] = Sha256::new().chain_update(NAMESPACE).chain_update(name).finalize().into();
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(digest).for_each(|(byte, of_digest)| *byte = of_digest);
    uuid_of(bytes, 8)
}

/// The UUID of these bytes, of this version and RFC 9562's variant.
pub(super) fn uuid_of(bytes: [u8; 16], version: u128) -> String {
    let id = u128::from_be_bytes(bytes) & !(0xF << 76) & !(0x3 << 62) | (version << 76) | (0x2 << 62);
    let hex = format!("{id:032x}");
    let parts =
        [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or_default().to_owned());
    parts.join("-")
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "the test writes the files that the kernel would show")]
mod tests {
    use super::*;
    use crate::backend::Bus;

    struct TestMachine {
        folder: tempfile::TempDir,
        machine: Machine,
    }

    impl TestMachine {
        fn new(files: &[(&str, &str)]) -> Self {
            let folder = tempfile::tempdir().unwrap();
            for (path, content) in files {
                let path = folder.path().join(path.trim_start_matches('/'));
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, content).unwrap();
            }
            let machine = Machine::new(folder.path().into(), Bus::none());
            Self { folder, machine }
        }

        fn interface(&self, name: &str, address: &str, assigned: &str, physical: bool) {
            let folder = self.folder.path().join("sys/class/net").join(name);
            fs::create_dir_all(&folder).unwrap();
            for (file, content) in [("address", address), ("addr_assign_type", assigned), ("type", "1")] {
                fs::write(folder.join(file), format!("{content}\n")).unwrap();
            }
            if physical {
                fs::create_dir(folder.join("device")).unwrap();
            }
        }
    }

    fn is_uuid(answer: &Answer<String>, version: char) -> bool {
        matches!(answer, Answer::Value(uuid) if uuid.len() == 36 && uuid.chars().nth(14) == Some(version))
    }

    #[tokio::test]
    async fn a_serial_number_is_one_of_its_model_and_placeholders_are_none() {
        let serial = "/proc/device-tree/serial-number";
        let one = TestMachine::new(&[(serial, "10000000abcdef01\0"), ("/proc/device-tree/model", "Pi\0")]);
        let other =
            TestMachine::new(&[(serial, "10000000abcdef01\0"), ("/proc/device-tree/model", "Other\0")]);
        let (first, second) = (uuid(&one.machine).await.unwrap(), uuid(&other.machine).await.unwrap());
        assert!(is_uuid(&first, '8') && is_uuid(&second, '8') && first != second);
        assert_eq!(uuid(&one.machine).await.unwrap(), first);
        let dmi = "/sys/class/dmi/id/product_uuid";
        let named = TestMachine::new(&[
            (serial, "0000000000000000"),
            (dmi, "4C4C4544-0042-3510-8052-B4C04F565931\n"),
        ]);
        assert_eq!(
            uuid(&named.machine).await.unwrap(),
            Answer::Value("4c4c4544-0042-3510-8052-b4c04f565931".into())
        );
        let junk = TestMachine::new(&[
            (serial, "1234567890\0"),
            (dmi, "03000200-0400-0500-0006-000700080009\n"),
            ("/sys/class/dmi/id/product_serial", "To Be Filled By O.E.M.\n"),
            ("/sys/class/dmi/id/board_serial", "System Serial Number\n"),
        ]);
        assert!(matches!(uuid(&junk.machine).await.unwrap(), Answer::Absent(_)));
    }

    #[tokio::test]
    async fn the_lowest_address_that_a_device_has_for_good() {
        let bench = TestMachine::new(&[]);
        assert!(matches!(mac_uuid(&bench.machine).await.unwrap(), Answer::Absent(_)));
        bench.interface("br0", "00:00:5e:00:00:01", "0", false);
        bench.interface("wlan0", "00:00:5e:00:00:02", "1", true);
        bench.interface("usb0", "02:00:5e:00:00:00", "0", true);
        bench.interface("lo", "00:00:00:00:00:00", "0", true);
        let made_up = mac_uuid(&bench.machine).await.unwrap();
        assert_eq!(made_up, Answer::Value(derived("mac:02:00:5e:00:00:00")));
        bench.interface("eth1", "a0:00:5e:00:00:09", "0", true);
        bench.interface("eth0", "A0:00:5E:00:00:08", "0", true);
        let expected = Answer::Value(derived("mac:a0:00:5e:00:00:08"));
        assert_eq!(mac_uuid(&bench.machine).await.unwrap(), expected);
        assert!(is_uuid(&expected, '8'));
        assert!(is_uuid(&random_uuid(), '4') && random_uuid() == random_uuid());
    }
}
