//! Callers: who waits for an answer, how many of them there may be, and the way back to them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;
use zbus::message::Flags;
use zbus::wire::{Structure, StructureBuilder, Variant};
use zbus::{Connection, Message};

use super::refusal::Refusal;
use super::values::Values;

/// The most calls that wait for their answers.
const MOST: usize = 32;
/// The most of them of one caller.
const MOST_OF_ONE: usize = 8;
/// The most of them that applications may make, on however many connections: the operator always finds a place, also
/// among those that the loop has not taken yet.
const MOST_OF_APPLICATIONS: usize = 12;

/// How long the bus may take to tell who somebody is.
const LIMIT: Duration = Duration::from_secs(10);

/// What a call is answered with.
pub type Answer = Result<Values, Refusal>;

/// Who waits for answers: the unique name of each, once for each of its calls, and whether applications make such
/// calls.
#[derive(Clone, Debug)]
pub(super) struct Callers {
    names: Arc<Mutex<Vec<(String, bool)>>>,
    connection: Connection,
}

/// A caller that waits for an answer, and gets one in any case.
#[derive(Debug)]
pub struct Caller {
    call: Message,
    is_of_applications: bool,
    callers: Callers,
    out: mpsc::Sender<Message>,
    is_answered: bool,
}

impl Callers {
    /// Makes the list for a connection, with nobody on it.
    pub(super) fn new(connection: Connection) -> Self {
        Self { names: Arc::default(), connection }
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<(String, bool)>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets a call in that is to be answered later, one that applications may make or not; refuses it where too many
    /// wait.
    pub(super) fn admit(
        &self,
        call: &Message,
        is_of_applications: bool,
        out: &mpsc::Sender<Message>,
    ) -> Result<Caller, Refusal> {
        let sender = sender(call);
        let mut waiting = self.waiting();
        let own = waiting.iter().filter(|(name, _)| *name == sender).count();
        let of_applications = waiting.iter().filter(|(_, is)| *is).count();
        let is_full = is_of_applications && of_applications >= MOST_OF_APPLICATIONS;
        if is_full || waiting.len() >= MOST || own >= MOST_OF_ONE {
            return Err(busy());
        }
        waiting.push((sender, is_of_applications));
        drop(waiting);
        Ok(Caller {
            call: call.clone(),
            is_of_applications,
            callers: self.clone(),
            out: out.clone(),
            is_answered: false,
        })
    }
}

impl Caller {
    /// The unique name of who calls, on the bus.
    #[must_use]
    pub fn name(&self) -> String {
        sender(&self.call)
    }

    /// Refuses unless the caller is root, as the bus knows it: who may ask is the policy's to say, and who may have
    /// something done is this.
    ///
    /// # Errors
    /// It is not, or the bus does not say.
    pub async fn must_be_root(&self) -> Result<(), Refusal> {
        let unknown = |_| Refusal::own("Unavailable", "the message bus does not say who calls");
        let mut body = StructureBuilder::new();
        body.push_value(Variant::Str(self.name().into()));
        let asking = async {
            let body = body.build()?;
            let answer = ask_bus(&self.callers.connection, "GetConnectionUnixUser", &body).await?;
            answer.body().deserialize::<u32>()
        };
        match timeout(LIMIT, asking)
            .await
            .unwrap_or_else(|_| Err(zbus::Error::InvalidReply))
            .map_err(unknown)?
        {
            0 => Ok(()),
            _ => Err(Refusal::own(
                "NotRoot",
                "only root may change or execute anything: use `sudo`, or a dry run",
            )),
        }
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
        let own = (sender(&self.call), self.is_of_applications);
        if let Some(one) = waiting.iter().position(|waiting| *waiting == own) {
            waiting.swap_remove(one);
        }
    }
}

/// The refusal of a call for which there is no place.
pub(super) fn busy() -> Refusal {
    Refusal::standard(
        "LimitsExceeded",
        "too many calls wait for their answers: come again when these have them",
    )
}

/// Calls a method of the bus itself.
pub(super) async fn ask_bus(
    connection: &Connection,
    method: &str,
    body: &Structure<'_>,
) -> zbus::Result<Message> {
    const BUS: &str = "org.freedesktop.DBus";
    connection.call_method(Some(BUS), "/org/freedesktop/DBus", Some(BUS), method, body).await
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
