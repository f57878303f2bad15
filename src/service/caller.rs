//! Callers: who waits for an answer, how many of them there may be, and the way back to them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::mpsc;
use zbus::Message;
use zbus::message::Flags;
use zbus::wire::{StructureBuilder, Variant};

use super::refusal::Refusal;
use super::values::Values;

/// The most calls that wait for their answers.
const MOST: usize = 32;
/// The most of them of one caller.
const MOST_OF_ONE: usize = 8;

/// What a call is answered with.
pub type Answer = Result<Values, Refusal>;

/// Who waits for answers: the unique name of each, once for each of its calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Callers(Arc<Mutex<Vec<String>>>);

/// A caller that waits for an answer, and gets one in any case.
#[derive(Debug)]
pub struct Caller {
    call: Message,
    callers: Callers,
    out: mpsc::Sender<Message>,
    is_answered: bool,
}

impl Callers {
    fn waiting(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call in that is to be answered later; refuses it where too many wait.
    pub(super) fn admit(&self, call: &Message, out: &mpsc::Sender<Message>) -> Result<Caller, Refusal> {
        let sender = sender(call);
        let mut waiting = self.waiting();
        let own = waiting.iter().filter(|name| **name == sender).count();
        if waiting.len() >= MOST || own >= MOST_OF_ONE {
            let why = "too many calls wait for their answers: come again when these have them";
            return Err(Refusal::standard("LimitsExceeded", why));
        }
        waiting.push(sender);
        drop(waiting);
        Ok(Caller { call: call.clone(), callers: self.clone(), out: out.clone(), is_answered: false })
    }
}

impl Caller {
    /// The unique name of who calls, on the bus.
    #[must_use]
    pub fn name(&self) -> String {
        sender(&self.call)
    }

    /// Answers the call.
    pub fn answer(mut self, answer: Answer) {
        self.is_answered = true;
        reply(&self.call, answer, &self.out);
    }
}

impl Drop for Caller {
    fn drop(&mut self) {
        if !self.is_answered {
            let why = "the agent stops, or broke off what was asked for";
            reply(&self.call, Err(Refusal::own("Stopped", why)), &self.out);
        }
        let mut waiting = self.callers.waiting();
        let sender = sender(&self.call);
        if let Some(one) = waiting.iter().position(|name| *name == sender) {
            waiting.swap_remove(one);
        }
    }
}

fn sender(call: &Message) -> String {
    call.header().sender().map(ToString::to_string).unwrap_or_default()
}

/// Sends an answer on its way. Who wants none gets none; where the bus takes nothing, nobody does.
pub(super) fn reply(call: &Message, answer: Answer, out: &mpsc::Sender<Message>) {
    let header = call.header();
    if call.primary_header().flags().contains(Flags::NO_REPLY_EXPECTED) {
        return;
    }
    let message = match answer {
        Ok(Values::Nothing) => Message::method_return(&header).build(&()),
        Ok(values) => match values.body() {
            Some(body) => Message::method_return(&header).build(&body),
            None => return reply(call, Err(Refusal::own("Internal", "the answer can't be written")), out),
        },
        Err(Refusal { name, why }) => {
            let mut body = StructureBuilder::new();
            body.push_value(Variant::Str(why.replace('\0', "").into()));
            let built = body.build();
            built.and_then(|body| Message::error(&header, name).build(&body))
        }
    };
    match message {
        // Where there is no room, the bus reads nothing: who writes to it ends the connection.
        Ok(message) => drop(out.try_send(message)),
        Err(error) => log::debug!("D-Bus: an answer can't be written: {error}"),
    }
}
