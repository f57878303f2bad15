//! Sends notifications: Package#0 in a connectionless WAP push over UDP.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::net::UdpSocket;

use crate::bearer::ConnectionType;
use crate::notification::outgoing::OutgoingNotification;
use crate::notification::wsp::Push;
use crate::package::Profile;

/// A notification to send.
#[derive(Clone, Debug)]
pub struct Notification {
    /// The SERVER-ID.
    pub server_id: String,
    /// The NOTIFICATION-ID.
    pub id: u16,
    /// The secret that SHA256-DIGEST is made with.
    pub secret: Vec<u8>,
    /// Whether REQ-MOS is set.
    pub request_mos: bool,
    /// Requested-MO-CV: index into the last MOS list, cache validator.
    pub requested: Vec<(u16, Vec<u8>)>,
    /// PREFERRED-CON-TYPE, empty: left out.
    pub preferred: Vec<ConnectionType>,
    /// The profile that it is written for.
    pub profile: Profile,
    /// The approved form's authentication data, which goes into its digest.
    pub data: Vec<u8>,
    /// The time that it says it was sent at.
    pub at: SystemTime,
}

impl Notification {
    /// A notification sent now, that asks for nothing but a session.
    #[must_use]
    pub fn new(server_id: &str, secret: &[u8], id: u16) -> Self {
        Self {
            server_id: server_id.to_owned(),
            id,
            secret: secret.to_owned(),
            request_mos: false,
            requested: Vec::new(),
            preferred: Vec::new(),
            profile: Profile::Draft,
            data: Vec::new(),
            at: SystemTime::now(),
        }
    }

    /// The datagram: WSP push header and Package#0.
    ///
    /// # Errors
    /// A value that its option cannot hold.
    pub fn datagram(&self) -> io::Result<Vec<u8>> {
        Ok(Push::default().wrap(&self.package()?))
    }

    /// Package#0 alone, signed.
    ///
    /// # Errors
    /// A value that its option cannot hold.
    pub fn package(&self) -> io::Result<Vec<u8>> {
        let seconds = self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let package = OutgoingNotification {
            profile: self.profile,
            server_id: Some(self.server_id.clone()),
            preferred: self.preferred.clone(),
            id: Some(self.id),
            req_mos: self.request_mos,
            requested: self.requested.clone(),
            ..OutgoingNotification::default()
        };
        package.sign(&self.secret, &self.data, Some(seconds)).map_err(io::Error::other)
    }

    /// Sends the datagram to `agent`, and returns it.
    ///
    /// # Errors
    /// The address cannot be reached.
    pub async fn send(&self, agent: SocketAddr) -> io::Result<Vec<u8>> {
        let datagram = self.datagram()?;
        send(agent, &datagram).await?;
        Ok(datagram)
    }

    /// The content of the notification, for people.
    #[must_use]
    pub fn describe(&self) -> Vec<String> {
        let seconds = self.at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let mut options =
            vec![format!("SERVER-ID \"{}\"", self.server_id), format!("NOTIFICATION-ID {}", self.id)];
        if !self.preferred.is_empty() {
            options.push(format!("PREFERRED-CON-TYPE {:?}", self.preferred));
        }
        options.push(format!("SHA256-DIGEST at {seconds}"));
        if self.request_mos {
            options.push("REQ-MOS".to_owned());
        }
        for (index, validator) in &self.requested {
            options.push(format!("Requested-MO-CV {index} {}", String::from_utf8_lossy(validator)));
        }
        vec![options.join(" · ")]
    }
}

/// Sends any datagram to `agent` from a port of its own.
///
/// # Errors
/// The address cannot be reached.
pub async fn send(agent: SocketAddr, datagram: &[u8]) -> io::Result<()> {
    let any: SocketAddr =
        if agent.is_ipv4() { (Ipv4Addr::UNSPECIFIED, 0).into() } else { (Ipv6Addr::UNSPECIFIED, 0).into() };
    UdpSocket::bind(any).await?.send_to(datagram, agent).await.map(drop)
}
