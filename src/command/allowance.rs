//! The allowance of one Package#2: what its commands may cost together, beyond what bounds each of them. A server has a
//! share of the agent, not the agent.

use std::time::{Duration, Instant};

use super::status::CommandError;
use crate::tree::TreeError;
use crate::uri::client::ClientUri;

/// The time for searching nodes by their `nv` fields: each may be compared with many, and each of these be a program's
/// answer.
const SEARCH: Duration = Duration::from_secs(10);

/// The allowance that a Package#2 has left.
#[derive(Debug)]
pub struct Allowance {
    search: Duration,
}

impl Default for Allowance {
    fn default() -> Self {
        Self { search: SEARCH }
    }
}

impl Allowance {
    /// Searches for the nodes that a ClientURI means, within what is left of the time for that.
    ///
    /// # Errors
    /// As the search; [`CommandError::SearchTime`].
    pub(super) async fn search<T>(
        &mut self,
        uri: &ClientUri,
        search: impl Future<Output = Result<T, TreeError>>,
    ) -> Result<T, CommandError> {
        if uri.node_values.is_empty() {
            return Ok(search.await?);
        }
        let late = CommandError::SearchTime(SEARCH.as_secs());
        if self.search.is_zero() {
            return Err(late);
        }
        let begun = Instant::now();
        let found = tokio::time::timeout(self.search, search).await;
        self.search = self.search.saturating_sub(begun.elapsed());
        Ok(found.map_err(|_| late)??)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::package::Verb;

    #[tokio::test(start_paused = true)]
    async fn who_has_searched_too_long_searches_no_more_but_addresses_by_name() {
        let x = ClientUri::parse("urn:a/(x)/?nv=(x)/b:c").unwrap();
        let mut allowance = Allowance::default();
        assert_eq!(allowance.search(&x, async { Ok(1) }).await.unwrap(), 1);
        let endless = allowance.search(&x, std::future::pending::<Result<(), _>>()).await.unwrap_err();
        assert_eq!(endless.status(&Verb::Get), 503, "{endless}");
        allowance.search = Duration::ZERO;
        assert_eq!(allowance.search(&x, async { Ok(1) }).await.unwrap_err().status(&Verb::Get), 503);
        assert_eq!(
            allowance.search(&ClientUri::root(&"urn:a".into(), "1"), async { Ok(1) }).await.unwrap(),
            1
        );
    }
}
