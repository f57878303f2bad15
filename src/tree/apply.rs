//! Applying a plan: all of it, or nothing.

use std::path::Path;

use crate::backend::{self, Act, Prepared, Undo};
use crate::base::Order as _;

use super::effect::Effect;
use super::error::TreeError;
use super::intent::Intent;
use super::plan::Plan;
use super::principal::Principal;
use super::registry::Tree;
use super::state::TreeState;
use super::view::withheld;

/// The most that is kept on disk to take one write back, in bytes.
const MOST_KEPT: usize = 4 << 20;

impl Tree {
    /// Applies a plan, under the store's writer's guard.
    ///
    /// # Errors
    /// Something failed: what can be taken back was.
    pub(super) async fn apply(&self, mut plan: Plan, principal: &Principal<'_>) -> Result<(), TreeError> {
        let mut state = self.check_limited(&mut plan, principal).await?;
        if plan.effects.is_empty() {
            return Ok(self.store.commit(plan.changes).await?);
        }
        // A full store is known before the machine is touched.
        plan.changes = self.store.rehearse(plan.changes).await?;
        if plan.effects.iter().any(|effect| !effect.node().mapping().input.is_empty()) {
            state.planned.take_in(&mut plan.changes, &plan.effects);
        }
        let undos = self.undos(&plan.effects, false, &state, principal).await?;
        let mut undos = plan.sort(undos);
        if is_any_twice(&undos) {
            undos = self.undos(&plan.effects, true, &state, principal).await?;
        }
        let mut intent = Intent::record(&self.store, undos).await?;
        let (mut result, mut begun) = (Ok(()), 0);
        for effect in &plan.effects {
            result = self.perform(effect, intent.undo(begun), &state, principal).await;
            intent.note(begun, &self.machine).await;
            begun += 1;
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            let mut changes = state.planned.give_back();
            changes.append(&mut plan.changes);
            changes.extend(intent.settled());
            result = self.store.commit(changes).await.map_err(TreeError::from);
            if result.is_ok() {
                intent.forget(&self.machine);
            }
            if result.is_err() {
                match intent.is_settled(&self.store) {
                    // A disk that reports an error may have written all the same.
                    Ok(true) => return Ok(()),
                    Ok(false) => {}
                    Err(error) => {
                        intent.leave(&error, &self.store, &self.machine);
                        return result;
                    }
                }
            }
        }
        if result.is_err() {
            intent.take_back(begun, &self.store, &self.machine).await;
        }
        result
    }

    /// Checks the values against limits that have to be read; returns the state that they were found in.
    pub(super) async fn check_limited(
        &self,
        plan: &mut Plan,
        principal: &Principal<'_>,
    ) -> Result<TreeState, TreeError> {
        let mut state = TreeState::of(self.store.snapshot()?);
        if !plan.limited.is_empty() {
            state.planned.take_in(&mut plan.changes, &plan.effects);
            let order = self.check_limits(&plan.limited, &state.planned, principal).await?;
            plan.put_in_order(order);
            plan.changes = state.planned.give_back();
        }
        Ok(state)
    }

    /// The undos of the effects; `in_order`: from what the effects before each will have made of the machine.
    async fn undos(
        &self,
        effects: &[Effect],
        in_order: bool,
        state: &TreeState,
        principal: &Principal<'_>,
    ) -> Result<Vec<Option<Undo>>, TreeError> {
        let mut undos = Vec::new();
        let (mut size, mut before) = (0, Prepared::default());
        for effect in effects {
            let Some(act) = effect.act() else {
                undos.push(None);
                continue;
            };
            let node = effect.node();
            let scope = self.scope_with_input(node, principal, state).await?;
            if !in_order {
                before = Prepared::default();
            }
            let undo = backend::prepare_undo(act, &mut before, &scope.context()).await;
            let undo = undo.map_err(|source| TreeError::Backend { node: node.client_uri(), source })?;
            size += undo.as_ref().map_or(0, Undo::size);
            if size > MOST_KEPT {
                return Err(TreeError::Full(node.client_uri()));
            }
            undos.push(undo);
        }
        Ok(undos)
    }

    async fn perform(
        &self,
        effect: &Effect,
        undo: Option<&Undo>,
        state: &TreeState,
        principal: &Principal<'_>,
    ) -> Result<(), TreeError> {
        let Some(act) = effect.act() else { return Ok(()) };
        let node = effect.node();
        let failed = |source| TreeError::Backend { node: node.client_uri(), source };
        let scope = self.scope_with_input(node, principal, state).await?;
        let context = scope.context();
        backend::perform(act, undo, &context).await.map_err(failed)?;
        if let Act::Set(_, value) = act {
            let format = node.properties().format;
            if let Some(read) =
                backend::verified(node.mapping(), format, value, &context).await.map_err(failed)?
            {
                // What only root reads, or no server, is in no journal either.
                let is_hidden = withheld(node) || node.mapping().get.iter().any(|source| source.privileged);
                let read = if is_hidden { "another value".to_owned() } else { read };
                return Err(TreeError::NotVerified { node: node.client_uri(), read });
            }
        }
        Ok(())
    }
}

/// Whether two effects are on one file: as two settings of it are.
fn is_any_twice(undos: &[Option<Undo>]) -> bool {
    let mut files: Vec<&Path> = undos.iter().flatten().filter_map(Undo::file).collect();
    files.order();
    files.windows(2).any(|pair| matches!(pair, [one, other] if one == other))
}
