//! The connectionless WAP push around Package#0 on UDP 2948 (TS Appendix D.1; WAP-230-WSP 8.2.4.1, 8.4).
//!
//! `TID | 0x06 | HeadersLen (uintvar) | Content-Type | headers | body`. Other headers are passed over in every
//! form that they may have, since a push gateway adds its own.

use thiserror::Error;

/// The most octets of push headers (TS D.1). HeadersLen counts the Content-Type too, which stands before them.
pub const MAX_HEADERS: usize = 48;

/// The PDU type of Push.
const PUSH: u8 = 0x06;
/// The content type of notifications: its assigned number, and its name.
const CONTENT_TYPE: u8 = 0x58;
const CONTENT_TYPE_NAME: &str = "application/vnd.syncml.dm.notification";
/// The header X-Wap-Application-Id: its assigned number on code page 1, and its name.
const APPLICATION_ID: u8 = 0x2f;
const APPLICATION_ID_NAME: &str = "x-wap-application-id";
/// The application id of the DM client: its assigned number, and its name.
const APPLICATION: u8 = 0x07;
const APPLICATION_NAME: &str = "x-wap-application:syncml.dm";
/// The code page that headers are on until a shift.
const DEFAULT_PAGE: u8 = 1;
/// The shift delimiter before a header name, and the quote before a text value.
const SHIFT_OR_QUOTE: u8 = 0x7f;
/// The octet before a value-length that is a uintvar.
const LENGTH_QUOTE: u8 = 0x1f;

/// Why a datagram is no WAP push for the DM client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NotPush {
    /// The second octet isn't the Push PDU's type.
    #[error("PDU type {0:#04x} is not a WAP push")]
    PduType(u8),
    /// The datagram ends within the headers, or HeadersLen goes beyond it.
    #[error("the WAP push ends within its headers")]
    Truncated,
    /// A uintvar has more than 5 octets, or is beyond 32 bits.
    #[error("a number in the WAP push is too large")]
    Uintvar,
    /// The push headers have more octets than [`MAX_HEADERS`].
    #[error("{0} octets of push headers are more than 48")]
    TooLong(usize),
    /// An octet is there that can't begin a header.
    #[error("octet {0:#04x} begins no header")]
    Header(u8),
    /// The content type is another one than a DM notification's.
    #[error("the content type is not {CONTENT_TYPE_NAME}")]
    ContentType,
    /// The push names no application.
    #[error("it has no X-Wap-Application-Id")]
    NoApplication,
    /// The push is for another application.
    #[error("it is not for {APPLICATION_NAME}")]
    OtherApplication,
}

impl NotPush {
    /// The name under which such datagrams are counted, which stays the same.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::PduType(_) => "not-a-push",
            Self::Truncated => "push-truncated",
            Self::Uintvar => "push-uintvar",
            Self::TooLong(_) => "push-headers-too-long",
            Self::Header(_) => "push-header",
            Self::ContentType => "push-content-type",
            Self::NoApplication => "push-no-application",
            Self::OtherApplication => "push-other-application",
        }
    }
}

/// The body of a WAP push for the DM client: its Package#0.
///
/// # Errors
/// If the datagram is not a well-formed connectionless push, or has another content type or application.
pub fn unwrap(datagram: &[u8]) -> Result<&[u8], NotPush> {
    let mut octets = Octets(datagram);
    octets.next()?; // TID: the sender's own
    let pdu_type = octets.next()?;
    if pdu_type != PUSH {
        return Err(NotPush::PduType(pdu_type));
    }
    let length = octets.uintvar()?;
    let mut headers = Octets(octets.take(length)?);
    if !is_notification(headers.value()?) {
        return Err(NotPush::ContentType);
    }
    if headers.0.len() > MAX_HEADERS {
        return Err(NotPush::TooLong(headers.0.len()));
    }
    check_application(headers)?;
    Ok(octets.0)
}

/// Whether a Content-Type is that of notifications: a short-integer, text, or both with parameters behind a
/// value-length.
fn is_notification(value: Value<'_>) -> bool {
    match value {
        Value::Short(code) => code == CONTENT_TYPE,
        Value::Text(text) => is_notification_name(text),
        Value::Data(data) => match Octets(data).value() {
            Ok(Value::Short(code)) => code == CONTENT_TYPE,
            Ok(Value::Data(integer)) => is_integer(integer, CONTENT_TYPE),
            Ok(Value::Text(text)) => is_notification_name(text),
            Err(_) => false,
        },
    }
}

fn is_notification_name(text: &[u8]) -> bool {
    let name = text.split(|octet| *octet == b';').next().unwrap_or_default();
    name.trim_ascii().eq_ignore_ascii_case(CONTENT_TYPE_NAME.as_bytes())
}

/// Whether octets are the long-integer `wanted`, big endian. Leading zeros are no minimal encoding, but there is no
/// doubt what they mean.
fn is_integer(octets: &[u8], wanted: u8) -> bool {
    matches!(octets.split_last(), Some((last, zeros)) if *last == wanted && zeros.iter().all(|octet| *octet == 0))
}

/// Checks that there is an X-Wap-Application-Id, and that each is the DM client's.
fn check_application(mut headers: Octets<'_>) -> Result<(), NotPush> {
    let mut page = DEFAULT_PAGE;
    let mut found = false;
    while let Some(first) = headers.peek() {
        let names_application = match first {
            0x01..=LENGTH_QUOTE => {
                page = headers.next()?;
                continue;
            }
            SHIFT_OR_QUOTE => {
                headers.next()?;
                page = headers.next()?;
                continue;
            }
            0x80.. => headers.next()? & 0x7f == APPLICATION_ID && page == DEFAULT_PAGE,
            b'!'..=b'~' => headers.text()?.eq_ignore_ascii_case(APPLICATION_ID_NAME.as_bytes()),
            _ => return Err(NotPush::Header(first)),
        };
        let value = headers.value()?;
        if names_application {
            found = match value {
                Value::Short(code) => code == APPLICATION,
                Value::Data(integer) => is_integer(integer, APPLICATION),
                Value::Text(text) => text.eq_ignore_ascii_case(APPLICATION_NAME.as_bytes()),
            };
            if !found {
                return Err(NotPush::OtherApplication);
            }
        }
    }
    if found { Ok(()) } else { Err(NotPush::NoApplication) }
}

/// A header's value, told by its first octet (WSP 8.4.1.2).
enum Value<'a> {
    /// A short-integer.
    Short(u8),
    /// Octets behind their length: a long-integer, or a header's own structure.
    Data(&'a [u8]),
    /// Text without its quote and end.
    Text(&'a [u8]),
}

struct Octets<'a>(&'a [u8]);

impl<'a> Octets<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    fn next(&mut self) -> Result<u8, NotPush> {
        let (first, rest) = self.0.split_first().ok_or(NotPush::Truncated)?;
        self.0 = rest;
        Ok(*first)
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], NotPush> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(NotPush::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    /// Reads an unsigned integer of 7 bits an octet, the last one without the top bit.
    fn uintvar(&mut self) -> Result<usize, NotPush> {
        let mut number = 0_u64;
        for _ in 0..5 {
            let octet = self.next()?;
            number = (number << 7) | u64::from(octet & 0x7f);
            if octet & 0x80 == 0 {
                let number = u32::try_from(number).map_err(|_| NotPush::Uintvar)?;
                return usize::try_from(number).map_err(|_| NotPush::Uintvar);
            }
        }
        Err(NotPush::Uintvar)
    }

    fn text(&mut self) -> Result<&'a [u8], NotPush> {
        let end = self.0.iter().position(|octet| *octet == 0).ok_or(NotPush::Truncated)?;
        let text = self.take(end)?;
        self.next()?;
        Ok(text)
    }

    fn value(&mut self) -> Result<Value<'a>, NotPush> {
        let first = self.peek().ok_or(NotPush::Truncated)?;
        if first < 0x20 {
            self.next()?;
            let length = if first == LENGTH_QUOTE { self.uintvar()? } else { first.into() };
            return self.take(length).map(Value::Data);
        }
        if first >= 0x80 {
            return self.next().map(|octet| Value::Short(octet & 0x7f));
        }
        if first == SHIFT_OR_QUOTE {
            self.next()?;
        }
        self.text().map(Value::Text)
    }
}

/// The form in which the content type is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ContentType {
    /// The short form, `D8`.
    #[default]
    Short,
    /// The general form, `01 D8`: behind a value-length, as one with parameters would be.
    General,
    /// The content type's name as text.
    Text,
}

/// The form in which the application id is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Application {
    /// The short form, `AF 87`.
    #[default]
    Short,
    /// The long form, `AF 01 07`.
    Long,
    /// The application's name as text, behind `AF`.
    Text,
}

/// A WAP push to be sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Push {
    /// The TID, the sender's own number.
    pub tid: u8,
    /// The content type's form.
    pub content_type: ContentType,
    /// The application id's form.
    pub application: Application,
}

impl Push {
    /// Writes the push with `body`, a Package#0.
    #[must_use]
    pub fn wrap(&self, body: &[u8]) -> Vec<u8> {
        let mut headers = Vec::with_capacity(MAX_HEADERS);
        match self.content_type {
            ContentType::Short => headers.push(0x80 | CONTENT_TYPE),
            ContentType::General => headers.extend([1, 0x80 | CONTENT_TYPE]),
            ContentType::Text => headers.extend([CONTENT_TYPE_NAME.as_bytes(), &[0]].concat()),
        }
        headers.push(0x80 | APPLICATION_ID);
        match self.application {
            Application::Short => headers.push(0x80 | APPLICATION),
            Application::Long => headers.extend([1, APPLICATION]),
            Application::Text => headers.extend([APPLICATION_NAME.as_bytes(), &[0]].concat()),
        }
        // One octet of uintvar: no combination of the above has as many as 128.
        let length = headers.len().to_le_bytes()[0];
        [&[self.tid, PUSH, length], headers.as_slice(), body].concat()
    }
}

#[cfg(test)]
mod tests;
