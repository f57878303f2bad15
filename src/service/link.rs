//! A connection with the name of the agent: one task reads calls and routes them, another one writes what goes out.

use std::future::poll_fn;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::pin::Pin;
use std::time::Duration;

use futures_core::Stream as _;
use serde_json::{Value as Json, json};
use tokio::sync::mpsc::{self, error::TrySendError};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use zbus::message::Type;
use zbus::wire::{Structure, StructureBuilder, Variant};
use zbus::{Connection, Message, MessageStream};

use super::call::{Called, Request, Route};
use super::caller::{Answer, Caller, Callers, ask_bus, busy, reply};
use super::refusal::Refusal;
use super::values::Values;
use super::{NAME, PATH, introspection, log_control};
use crate::backend::bus;
use crate::base;
use crate::base::lane::FILES;
use crate::base::regular;
use crate::base::yielding::Yielder;

/// How long the bus may take to be connected to, and to take a message.
const LIMIT: Duration = Duration::from_secs(10);
/// The largest call that is read, in bytes: twice the largest alert.
const LARGEST: usize = 128 << 10;
/// The most messages that wait to be read; the bus keeps further ones, and refuses those that are too many for it.
const MOST_UNREAD: NonZeroUsize = NonZeroUsize::new(8).unwrap();
/// The most calls that wait until the agent's loop takes them.
const MOST_UNTAKEN: usize = 16;
/// The most messages that wait to be written.
const MOST_UNWRITTEN: usize = 256;

/// Why there is no connection with the name.
#[derive(Debug, thiserror::Error)]
pub(super) enum LinkError {
    /// The bus can't be connected to.
    #[error("{0}")]
    Bus(#[from] zbus::Error),
    /// The bus does not answer.
    #[error("the bus does not answer")]
    Late,
    /// The bus gives the name to nobody else: somebody has it.
    #[error("another program has it")]
    Taken,
}

/// A call that the agent's loop is to answer.
#[derive(Debug)]
pub struct Call {
    /// What is asked for.
    pub request: Request,
    /// Who waits for the answer.
    pub caller: Caller,
}

/// A connection with the name.
pub(super) struct Link {
    out: mpsc::Sender<Message>,
    calls: mpsc::Receiver<Call>,
    /// The task that reads.
    reader: AbortHandle,
    /// The tasks that read and write. One of them ends with the connection.
    tasks: JoinSet<()>,
}

impl Link {
    /// Connects, and takes the name.
    pub(super) async fn connect(address: String) -> Result<Self, LinkError> {
        timeout(LIMIT, Self::make(&address)).await.unwrap_or(Err(LinkError::Late))
    }

    async fn make(address: &str) -> Result<Self, LinkError> {
        let connection = bus::builder(address).max_queued(MOST_UNREAD).build().await?;
        // Who has the name may be called at once.
        let stream = MessageStream::from(&connection);
        take_name(&connection).await?;
        let (out, outgoing) = mpsc::channel(MOST_UNWRITTEN);
        let (found, calls) = mpsc::channel(MOST_UNTAKEN);
        let mut tasks = JoinSet::new();
        let desk = Desk { out: out.clone(), calls: found, callers: Callers::new(connection.clone()) };
        let reader = base::spawn_in(&mut tasks, read(stream, desk));
        base::spawn_in(&mut tasks, write(outgoing, connection));
        Ok(Self { out, calls, reader, tasks })
    }

    /// Takes no further calls, and has all written that waits for it: by then nobody else may want to answer.
    pub(super) async fn stop(self) {
        let Self { out, calls, reader, mut tasks } = self;
        reader.abort();
        drop((out, calls));
        while tasks.join_next().await.is_some() {}
    }

    /// Waits for a call; none: the connection has ended. Whoever stops waiting loses nothing.
    pub(super) async fn next_call(&mut self) -> Option<Call> {
        tokio::select! {
            call = self.calls.recv() => call,
            _ = self.tasks.join_next() => None,
        }
    }

    /// The way out, for signals.
    pub(super) fn out(&self) -> &mpsc::Sender<Message> {
        &self.out
    }
}

/// Sends a signal of the agent's object on its way. Nobody is promised one.
pub(super) fn signal(interface: &str, member: &str, values: Values, out: &mpsc::Sender<Message>) {
    let Some(body) = values.body() else { return };
    if let Ok(signal) = Message::signal(PATH, interface, member).build(&body) {
        let _ = out.try_send(signal);
    }
}

async fn take_name(connection: &Connection) -> Result<(), LinkError> {
    /// Who does not get it does not queue for it.
    const DO_NOT_QUEUE: u32 = 4;
    let mut body = StructureBuilder::new();
    body.push_value(Variant::Str(NAME.into()));
    body.push_value(Variant::U32(DO_NOT_QUEUE));
    let body = body.build()?;
    let answer = ask_bus(connection, "RequestName", &body).await?;
    match answer.body().deserialize::<u32>()? {
        1 | 4 => Ok(()),
        _ => Err(LinkError::Taken),
    }
}

/// Writes what goes out, until the bus takes no more.
async fn write(mut outgoing: mpsc::Receiver<Message>, connection: Connection) {
    while let Some(message) = outgoing.recv().await {
        match timeout(LIMIT, connection.send(&message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return log::debug!("D-Bus: an answer can't be sent: {error}"),
            Err(_) => return log::debug!("D-Bus: the bus takes no answers"),
        }
    }
}

/// Reads and routes calls, until the connection ends.
async fn read(mut stream: MessageStream, desk: Desk) {
    let mut yielder = Yielder::default();
    while let Some(Ok(message)) = poll_fn(|context| Pin::new(&mut stream).poll_next(context)).await {
        if message.message_type() == Type::MethodCall
            && let Err(refusal) = desk.take(&message)
        {
            reply(&message, Err(refusal), &desk.out);
        }
        // Whoever sends one call after the other holds up nobody.
        yielder.pause().await;
    }
}

/// The desk where calls come in.
struct Desk {
    out: mpsc::Sender<Message>,
    calls: mpsc::Sender<Call>,
    callers: Callers,
}

impl Desk {
    /// Takes a call: answers it, or hands it to the agent's loop.
    fn take(&self, message: &Message) -> Result<(), Refusal> {
        let body = message.body();
        if body.len() > LARGEST {
            return Err(Refusal::standard("LimitsExceeded", format!("a call has at most {LARGEST} bytes")));
        }
        let header = message.header();
        let kinds = body.signature().to_string();
        let kinds = kinds.strip_prefix('(').and_then(|kinds| kinds.strip_suffix(')')).unwrap_or(&kinds);
        let called = Called {
            path: header.path().map_or("", |path| path.as_str()),
            interface: header.interface().map(zbus::names::InterfaceName::as_str),
            member: header.member().map_or("", |member| member.as_str()),
            kinds,
        };
        let arguments = || -> zbus::Result<Vec<Json>> {
            if body.is_empty() {
                return Ok(Vec::new());
            }
            let values: Structure<'_> = body.deserialize()?;
            Ok(values.fields().iter().map(bus::to_json).collect())
        };
        called.method()?;
        let arguments = arguments().map_err(|error| Refusal::standard("InvalidArgs", error.to_string()))?;
        let answer = match called.route(&arguments)? {
            Route::Loop(request) => {
                let caller = self.callers.admit(message, request.is_of_applications(), &self.out)?;
                // Where the loop has ended, the caller is dropped, and told so.
                if let Err(TrySendError::Full(call)) = self.calls.try_send(Call { request, caller }) {
                    call.caller.answer(Err(busy()));
                }
                return Ok(());
            }
            Route::MachineId => {
                let caller = self.callers.admit(message, true, &self.out)?;
                base::spawn(async move { caller.answer(machine_id().await) });
                return Ok(());
            }
            Route::Introspect(path) => Values::Of("s", json!([introspection::describe(&path)])),
            Route::Ping => Values::Nothing,
            Route::NoProperties => Values::Properties(Vec::new()),
            Route::Log(name) => log_control::get(name),
            Route::SetLogLevel(level) => log_control::set_level(&level)?,
        };
        reply(message, Ok(answer), &self.out);
        Ok(())
    }
}

/// The machine's id, as every D-Bus program tells it.
async fn machine_id() -> Answer {
    let unknown = || Refusal::own("Unavailable", "/etc/machine-id can't be read");
    let file = PathBuf::from("/etc/machine-id");
    let read = FILES.reading(file.clone(), move || regular::read(&file, 64)).await;
    let id = read.ok().and_then(Result::ok).ok_or_else(unknown)?;
    Ok(Values::Of("s", json!([String::from_utf8_lossy(&id).trim()])))
}
