//! Requested-MO-CV (CR 001, 8.1.2.1), whose answer goes with Package#1.

use crate::package::RequestedMo;
use crate::tree::{Gathering, NodeRef, Principal, Resolved, SESSION_INFO, Tree, TreeError};
use crate::uri::Moid;

/// The most bytes that go with a Package#1.
const MOST: usize = 4 << 20;

/// An instance and its validator, as the option has them: index into the last MOS list, validator.
type Asked = (u16, Vec<u8>);

/// Whether the Session Information object is asked for (TS 11.4).
pub(super) fn is_of_session(mos: &[Moid], asked: &[Asked]) -> bool {
    asked.iter().any(|(index, _)| mos.get(usize::from(*index)).is_some_and(|moid| moid == SESSION_INFO))
}

/// The answer to the options of a notification. `mos` are the MOIDs of the last MOS list that the server got. An index
/// for several instances brings each that none of the index's validators is of; what can't be read is left out.
pub(super) async fn answer(
    tree: &Tree,
    principal: &Principal<'_>,
    mos: &[Moid],
    asked: &[Asked],
) -> Result<Vec<RequestedMo>, TreeError> {
    let server_id = &principal.account.server_id;
    let mut answer = Vec::new();
    let mut left = MOST;
    for (at, (index, _)) in asked.iter().enumerate() {
        if asked.iter().take(at).any(|(before, _)| before == index) {
            continue;
        }
        let object = mos.get(usize::from(*index)).and_then(|moid| tree.object_seen(moid, principal).ok());
        let Some(object) = object else {
            log::warn!(
                "{server_id}: Requested-MO-CV: no MO {index} in the last MOS list: that request is ignored"
            );
            continue;
        };
        let same = asked.iter().filter(|(other, _)| other == index);
        let held: Vec<&[u8]> = same.map(|(_, validator)| validator.as_slice()).collect();
        for root in tree.gathering(principal)?.instances(object)? {
            match of_instance(tree.gathering(principal)?, &root, &held, principal, left).await {
                Ok(requested) => {
                    if let RequestedMo::Stale(json) = &requested {
                        left = left.saturating_sub(json.len());
                    }
                    answer.push(requested);
                }
                Err(error) => {
                    log::warn!("{server_id}: Requested-MO-CV: an instance is left out of Package#1: {error}");
                }
            }
        }
    }
    Ok(answer)
}

async fn of_instance(
    mut gathering: Gathering<'_>,
    root: &NodeRef,
    held: &[&[u8]],
    principal: &Principal<'_>,
    most: usize,
) -> Result<RequestedMo, TreeError> {
    if gathering.is_fresh(root, held).await? {
        return Ok(RequestedMo::Fresh { client_uri: root.client_uri() });
    }
    gathering.add(Resolved::One(root.clone()), None, None).await?;
    let documents = gathering.finish().documents(principal.account.profile, most).await?;
    let json = documents.into_iter().next().unwrap_or_default();
    String::from_utf8(json).map(RequestedMo::Stale).map_err(|_| TreeError::NotFound(root.client_uri()))
}
